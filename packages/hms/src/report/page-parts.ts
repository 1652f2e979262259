// The style sheet and the script of the report's page.

export const STYLE = `
:root{--bg:#fbfbfa;--card:#fff;--ink:#1b1f24;--dim:#67707b;--line:#e3e5e8;--untouched:#eef0f2;--host:#2f74c0;--device0:#e07b1a;--device1:#2e9e6b;--device2:#a855c7;--device3:#c9a400;--device4:#d1477a;--device5:#5b6abf;--swap:#7d6b9e;--file:#1f9c9c;--copied:#a3c8f0;--lost:#c8102e;--other:#9aa2ab;--warn:#8a4b00;--warnbg:#fff4e2}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1c2024;--ink:#e8eaed;--dim:#9aa4af;--line:#30363c;--untouched:#272c31;--host:#5aa2f0;--device0:#f5a04a;--device1:#4cc58d;--device2:#c98be0;--device3:#e3c64a;--device4:#ee7fa6;--device5:#929ff0;--swap:#a896cc;--file:#4fc4c4;--copied:#2c5a8f;--lost:#ff5a70;--other:#7b848d;--warn:#ffc476;--warnbg:#33281a}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1120px;padding:28px 24px 60px;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Liberation Sans",sans-serif}
h1{font-size:26px;line-height:1.25;margin:2px 0 0;overflow-wrap:anywhere}h2{font-size:18px;margin:36px 0 10px}
.kicker{margin:0;color:var(--dim);letter-spacing:.06em;text-transform:uppercase;font-size:12px}
.ended{margin:8px 0 0;display:inline-block;padding:2px 10px;border-radius:4px;color:var(--warn);background:var(--warnbg)}
.none,.lead{color:var(--dim);margin:0 0 10px}
.report+.report{margin-top:48px;border-top:2px solid var(--line)}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:10px;margin-top:22px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 14px;display:flex;flex-direction:column}
.tile span,.tile small{color:var(--dim);font-size:12.5px}.tile b{font-size:22px;font-weight:600;font-variant-numeric:tabular-nums;line-height:1.35}
.events{margin-top:24px;padding:1px 18px;border-radius:8px;background:var(--warnbg);color:var(--warn)}.events h2{margin:12px 0 4px;font-size:16px}
ol.advice{margin:0;padding-left:22px}ol.advice li{margin-bottom:12px;padding-left:4px}ol.advice p{margin:0}
.remedy{color:var(--dim)}.remedy::before{content:"→ ";color:var(--host)}
code{font:13px ui-monospace,"DejaVu Sans Mono",Consolas,monospace;background:var(--untouched);border-radius:3px;padding:1px 4px}
.plots{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 14px 6px}
figure{margin:0 0 12px}figcaption{display:flex;flex-wrap:wrap;align-items:baseline;gap:3px 8px;font-size:13.5px;margin-bottom:2px}figcaption>span{color:var(--dim)}
.maps figcaption{padding-left:7.1%}
.keys{list-style:none;display:flex;flex-wrap:wrap;gap:2px 14px;margin:0 0 0 auto;padding:0;font-size:13px;color:var(--dim)}
.keys.big{margin:0 0 10px;font-size:14px}
.keys li::before{content:"";display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;vertical-align:-1px;background:var(--c)}
.keys li.dashed::before{height:0;border-radius:0;background:none;border-top:2px dashed var(--c);width:16px;vertical-align:4px}
svg{display:block;width:100%;height:auto;overflow:visible}
.host{--c:var(--host)}.device0{--c:var(--device0)}.device1{--c:var(--device1)}.device2{--c:var(--device2)}.device3{--c:var(--device3)}.device4{--c:var(--device4)}.device5{--c:var(--device5)}.swap{--c:var(--swap)}.file{--c:var(--file)}.copied{--c:var(--copied)}.lost{--c:var(--lost)}.other{--c:var(--other)}.untouched{--c:var(--untouched)}
.grid{stroke:var(--line);stroke-width:1}.zero{stroke:var(--dim);stroke-opacity:.6}
.tick{fill:var(--dim);font-size:11.5px;font-variant-numeric:tabular-nums}
.line{fill:none;stroke:var(--c);stroke-width:1.6;stroke-linejoin:round}.area{fill:var(--c);fill-opacity:.2}
.limit{stroke:var(--c);stroke-width:1.2;stroke-dasharray:5 4}
.cell{fill:var(--c);shape-rendering:crispEdges}
.cursor{stroke:var(--ink);stroke-opacity:.5;stroke-width:1;visibility:hidden;pointer-events:none}
#tip{position:fixed;z-index:2;pointer-events:none;background:var(--card);color:var(--ink);border:1px solid var(--line);border-radius:6px;box-shadow:0 4px 16px #0003;padding:8px 12px;font-size:13px;max-width:320px}
#tip[hidden]{display:none}#tip table{border-collapse:collapse;width:auto;margin:0}#tip td{padding:0 0 0 14px;border:0;text-align:right;font-variant-numeric:tabular-nums}#tip td:first-child{padding:0;text-align:left;color:var(--dim)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}th,td{padding:6px 10px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;font-weight:normal}
thead th{color:var(--dim);font-size:12.5px;white-space:nowrap}tbody th{font-weight:600;white-space:nowrap;max-width:260px;overflow:hidden;text-overflow:ellipsis}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td i{color:var(--dim);font-style:normal}
.bar{width:110px}.bar span{display:block;height:10px;margin-top:6px;border-radius:3px;background:var(--host)}
@media print{body{max-width:none}}
`;

/** Shows what was when, where the pointer is. Without it the page says all the same. */
export const SCRIPT = `
for(const report of document.querySelectorAll(".report")){
  const holder=report.querySelector(".data");if(!holder)continue;
  const data=JSON.parse(holder.textContent);const tip=document.getElementById("tip");
  const pictures=[...report.querySelectorAll(".plots svg:not(.axis)")];
  const hide=()=>{tip.hidden=true;for(const p of pictures)p.querySelector(".cursor").style.visibility="hidden"};
  for(const picture of pictures){
    picture.addEventListener("pointerleave",hide);
    picture.addEventListener("pointermove",(event)=>{
      const box=picture.getBoundingClientRect();const x=(event.clientX-box.left)/box.width*1040;
      if(x<74||x>1026||data.x.length===0){hide();return}
      let at=0;while(at+1<data.x.length&&data.x[at+1]<=x)at++;
      for(const p of pictures){const c=p.querySelector(".cursor");c.setAttribute("x1",x);c.setAttribute("x2",x);c.style.visibility="visible"}
      tip.replaceChildren();const head=document.createElement("b");head.textContent=data.t[at];tip.append(head);
      const table=document.createElement("table");
      for(const chart of data.charts)for(const [name,values] of chart.rows){
        const row=table.insertRow();row.insertCell().textContent=chart.title+", "+name;row.insertCell().textContent=values[at]}
      tip.append(table);tip.hidden=false;
      const left=event.clientX+18;tip.style.left=(left+tip.offsetWidth>innerWidth?event.clientX-18-tip.offsetWidth:left)+"px";
      tip.style.top=Math.min(event.clientY+12,innerHeight-tip.offsetHeight-8)+"px";
    });
  }
}
`;
