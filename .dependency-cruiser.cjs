// The rooms of docs/house.md, from the ground up: a room imports only from rooms below it in this list.
const rooms = [
  "topology",
  "uabi",
  "policy",
  "hmm",
  "host-model",
  "host-linux",
  "drivers/[^/]+",
  "conform",
  "hms",
  "sim",
  "lint",
  "cli",
  "dashboard",
];
// Rooms of one storey do not know each other: the two hosts, the simulator and the linter, the command line and the page.
const storey = {
  topology: 0,
  uabi: 1,
  policy: 2,
  hmm: 3,
  "host-model": 4,
  "host-linux": 4,
  "drivers/[^/]+": 5,
  conform: 6,
  hms: 6,
  sim: 7,
  lint: 7,
  cli: 8,
  dashboard: 8,
};

const forbidden = rooms.map((room) => ({
  name: `imports-go-down:${room}`,
  severity: "error",
  comment:
    "A room imports only from rooms below it (docs/house.md); nothing goes back up, and rooms of one storey do not import each other.",
  from: { path: `^packages/${room}/` },
  to: {
    path: rooms
      .filter((other) => other !== room && storey[other] >= storey[room])
      .map((other) => `^packages/${other}/`),
  },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...forbidden,
    {
      name: "one-driver-does-not-know-another",
      severity: "error",
      comment: "Drivers meet in the core's contract only.",
      from: { path: "^packages/drivers/([^/]+)/" },
      to: { path: "^packages/drivers/", pathNot: "^packages/drivers/$1/" },
    },
    {
      name: "ffi-only-in-host-linux",
      severity: "error",
      comment: "packages/host-linux is the only room with foreign calls.",
      from: { pathNot: "^(packages/host-linux|test|bench)/" },
      to: { path: "node_modules/koffi" },
    },
    {
      name: "rooms-are-entered-by-the-door",
      severity: "error",
      comment: "Another room's package is imported by its name, not by a path into its files.",
      from: { path: "^packages/((?:drivers/)?[^/]+)/src/", pathNot: "[.]test[.]ts$" },
      to: {
        path: "^packages/(?:drivers/)?[^/]+/src/",
        pathNot: ["^packages/$1/", "/src/mod[.]ts$", "/src/[a-z-]+/mod[.]ts$"],
      },
    },
    {
      name: "no-cycles",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "declared-in-package-json",
      severity: "error",
      // What only tests use (src/testing/) is not published.
      from: { path: "^packages/", pathNot: "[.]test[.]ts$|/src/testing/" },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|fixtures)/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.check.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
      extensions: [".ts", ".js", ".mjs", ".cjs", ".json"],
    },
  },
};
