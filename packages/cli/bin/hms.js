#!/usr/bin/env node
// Plain JavaScript that any Node can parse: a run under an old Node must end with one clear sentence.
const major = Number(process.versions.node.split(".")[0]);
if (!(major >= 24)) {
  process.stderr.write(
    `hms: needs Node 24 or newer, but this is Node ${process.versions.node}: run it as \`npx hms\` after \`npm install\`, which brings its own Node.\n`,
  );
  process.exit(2);
}
const { enableCompileCache } = await import("node:module");
enableCompileCache();
const source = new URL("../src/main.ts", import.meta.url);
const built = new URL("../dist/main.js", import.meta.url);
// In the repository the sources run as they are; a published package carries only the built files.
const { existsSync } = await import("node:fs");
const { main } = await import((existsSync(source) ? source : built).href);
process.exitCode = await main(process.argv.slice(2));
