// Loaded before a program: when it ends, it writes the most memory that it had in memory at once, in KiB.
process.on("exit", () => require("node:fs").writeSync(2, `peak ${process.resourceUsage().maxRSS}\n`));
