/** Orders names as a person would: `node2` before `node10`. */
export function naturalOrder(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(j);
    if (isDigit(x) && isDigit(y)) {
      let m = i;
      let n = j;
      while (a.charCodeAt(m) === 48) m++;
      while (b.charCodeAt(n) === 48) n++;
      let p = m;
      let q = n;
      while (isDigit(a.charCodeAt(p))) p++;
      while (isDigit(b.charCodeAt(q))) q++;
      if (p - m !== q - n) return p - m - (q - n);
      for (; m < p; m++, n++) {
        const difference = a.charCodeAt(m) - b.charCodeAt(n);
        if (difference !== 0) return difference;
      }
      i = p;
      j = q;
    } else {
      if (x !== y) return x - y;
      i++;
      j++;
    }
  }
  return a.length - i - (b.length - j);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}
