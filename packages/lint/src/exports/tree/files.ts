/** How a file is read. */
export const READ_AS = { none: 0, c: 1, header: 2, assembler: 3, rust: 4, text: 5 } as const;

/** Folders whose files are no part of the kernel: what they mention is no use of it. */
const NOT_THE_KERNEL: ReadonlySet<string> = new Set(["tools", "scripts", "Documentation", "debian", ".git"]);

export function isOutside(path: string): boolean {
  const cut = path.indexOf("/");
  return NOT_THE_KERNEL.has(cut < 0 ? "" : path.slice(0, cut));
}

const BY_ENDING: Readonly<Record<string, number>> = {
  c: READ_AS.c,
  h: READ_AS.header,
  inc: READ_AS.header,
  def: READ_AS.header,
  S: READ_AS.assembler,
  rs: READ_AS.rust,
  pl: READ_AS.text,
  uc: READ_AS.text,
  awk: READ_AS.text,
  py: READ_AS.text,
  sh: READ_AS.text,
  y: READ_AS.text,
  l: READ_AS.text,
  tbl: READ_AS.text,
};

/** How a file is read, by its name. */
export function readAs(path: string): number {
  if (path.endsWith(".lds.S") || path.endsWith(".mod.c")) return READ_AS.none;
  const dot = path.lastIndexOf(".");
  return BY_ENDING[path.slice(dot + 1)] ?? READ_AS.none;
}

/** The architecture that a path belongs to, "" for what is for all. User mode Linux counts as the x86 that it runs on. */
export function architectureOf(path: string): string {
  if (!path.startsWith("arch/")) return "";
  const name = path.slice(5, path.indexOf("/", 5));
  return name === "um" ? "x86" : name === "arm64" && path.includes("/xen/") ? "arm" : name;
}

/** Programs that are linked on their own (boot loaders, vDSOs, hypervisor code): they use no exports. */
export function isLinkedAlone(path: string): boolean {
  return /^arch\/\w+\/(boot|kernel\/vdso\w*|vdso\w*|entry\/vdso|purgatory|realmode|kernel\/pi|kvm\/hyp\/nvhe|um\/vdso)\//.test(
    path,
  );
}

/** Tests and samples, by their path or the symbol that builds them. */
export function isTest(path: string, config: string | null): boolean {
  return (
    /^samples\/|(^|\/)(selftests?|kunit|tests?)\/|(^|\/)(test_|kunit_)[^/]*$|[_-](test|tests|kunit|selftest|kunit_test|torture)\.[cS]$|torture\w*\.c$/.test(
      path,
    ) ||
    (config !== null && /KUNIT|SELFTEST|TORTURE|(^|_)TESTS?(_|$)|^SAMPLES?(_|$)/.test(config))
  );
}
