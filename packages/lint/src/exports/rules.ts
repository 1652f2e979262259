import type { ExportShape, Template, TemplateTable } from "./scan/macros.ts";
import { CLASS_PREFIX } from "./scan/text.ts";

/** The namespace of what KUnit tests may use (include/kunit/visibility.h). */
export const KUNIT_NAMESPACE = "EXPORTED_FOR_KUNIT_TESTING";

function shape(gpl: boolean, more: Partial<ExportShape> = {}): ExportShape {
  return { gpl, namespace: undefined, modules: undefined, sort: "symbol", ...more };
}

function made(parts: Template["parts"], of: ExportShape): readonly Template[] {
  return [{ parts, shape: of }];
}

/** The macros that export, and what each exports of its arguments. Others are found by their definitions. */
export function exportMacros(): TemplateTable {
  const table: TemplateTable = new Map();
  for (const [suffix, gpl] of [
    ["", false],
    ["_GPL", true],
  ] as const) {
    table.set(`EXPORT_SYMBOL${suffix}`, made([0], shape(gpl)));
    table.set(`EXPORT_SYMBOL_NS${suffix}`, made([0], shape(gpl, { namespace: [1] })));
    table.set(`EXPORT_SYMBOL${suffix}_FOR_MODULES`, made([0], shape(true, { modules: [1], namespace: [] })));
    table.set(`EXPORT_PER_CPU_SYMBOL${suffix}`, made([0], shape(gpl, { sort: "per-cpu" })));
    table.set(
      `EXPORT_TRACEPOINT_SYMBOL${suffix}`,
      made(["__tracepoint_", 0], shape(gpl, { sort: "tracepoint" })),
    );
    table.set(`EXPORT_STATIC_CALL${suffix}`, made(["__SCK__", 0], shape(gpl, { sort: "static-call" })));
    table.set(`EXPORT_STATIC_CALL_TRAMP${suffix}`, made(["__SCT__", 0], shape(gpl, { sort: "static-call" })));
  }
  table.set("EXPORT_SYMBOL_IF_KUNIT", made([0], shape(false, { namespace: [KUNIT_NAMESPACE] })));
  table.set("EXPORT_PM_FN_GPL", made([0], shape(true, { sort: "pm-ops" })));
  table.set("EXPORT_PM_FN_NS_GPL", made([0], shape(true, { namespace: [1], sort: "pm-ops" })));
  // include/linux/pm.h, pm_runtime.h: the namespace is the last argument.
  for (const [flavour, last] of [
    ["DEV", 1],
    ["DEV_SLEEP", 1],
    ["SIMPLE_DEV", 3],
    ["RUNTIME_DEV", 4],
  ] as const) {
    table.set(`EXPORT_${flavour}_PM_OPS`, made([0], shape(false, { sort: "pm-ops" })));
    table.set(`EXPORT_GPL_${flavour}_PM_OPS`, made([0], shape(true, { sort: "pm-ops" })));
    table.set(`EXPORT_NS_${flavour}_PM_OPS`, made([0], shape(false, { namespace: [last], sort: "pm-ops" })));
    table.set(
      `EXPORT_NS_GPL_${flavour}_PM_OPS`,
      made([0], shape(true, { namespace: [last], sort: "pm-ops" })),
    );
  }
  return table;
}

/** Macros of the headers that lead to names in ways that their bodies do not show. */
export function pasteMacros(): TemplateTable {
  const table: TemplateTable = new Map();
  const use = (...lists: Template["parts"][]): readonly Template[] =>
    lists.map((parts) => ({ parts, shape: null }));
  for (const name of [
    "static_call",
    "static_call_cond",
    "static_call_mod",
    "static_call_update",
    "static_call_query",
    "STATIC_CALL_TRAMP",
    "STATIC_CALL_TRAMP_STR",
    "STATIC_CALL_KEY",
    "__STATIC_CALL_ADDRESSABLE",
    "__STATIC_CALL_MOD_ADDRESSABLE",
  ])
    table.set(name, use(["__SCK__", 0], ["__SCT__", 0]));
  for (const name of ["guard", "scoped_guard", "scoped_cond_guard", "CLASS", "__free", "DEFINE_GUARD_COND"])
    table.set(name, use([CLASS_PREFIX, 0]));
  return table;
}

/** Names by which a tracepoint is used; the export is of `__tracepoint_NAME`. */
export function tracepointNames(name: string): readonly string[] {
  return [
    `trace_${name}`,
    `trace_${name}_enabled`,
    `trace_${name}_rcuidle`,
    `trace_call__${name}`,
    `do_trace_${name}`,
    `register_trace_${name}`,
    `register_trace_prio_${name}`,
    `unregister_trace_${name}`,
    `__traceiter_${name}`,
    `__tracepoint_${name}`,
  ];
}

/** Why a symbol is used although no file of the tree mentions it. */
export interface KnownUse {
  readonly by: string;
  readonly rule: string;
}

const KNOWN: readonly (readonly [pattern: RegExp, by: string, rule: string])[] = [
  [
    /^__sanitizer_cov_trace_\w+$/,
    "the compiler",
    "-fsanitize-coverage (KCOV) puts calls of it into every file",
  ],
  [
    /^__(asan|hwasan)_\w+$|^__msan_\w+$|^kasan_(tag_mismatch|check_\w+)$/,
    "the compiler",
    "-fsanitize=kernel-address, -hwaddress or -memory puts calls of it into every file",
  ],
  [/^__tsan_\w+$/, "the compiler", "-fsanitize=thread (KCSAN) puts calls of it into every file"],
  [/^__ubsan_\w+$/, "the compiler", "-fsanitize=undefined puts calls of it into every file"],
  [
    /^__gcov_\w+$|^llvm_gc(ov|da)_\w+$|^__llvm_profile_\w+$/,
    "the compiler",
    "profiling (GCOV, PGO) puts calls of it into every file",
  ],
  [/^stackleak_track_stack$/, "the compiler", "the stackleak plugin puts calls of it into every file"],
  [
    /^__stack_chk_(fail|guard)(_local)?$|^__ref_stack_chk_guard$/,
    "the compiler",
    "-fstack-protector puts calls of it into every file",
  ],
  [
    /^(__fentry__|_?mcount|__gnu_mcount_nc|_mcount_nop|ftrace_(call|caller|stub)|ftrace_regs_caller)$/,
    "the compiler",
    "-pg, -mfentry (function tracing) puts calls of it into every file",
  ],
  [
    /^__x86_(indirect|return|fill_rsb)_\w+$|^(its_return_thunk|retbleed_\w+|srso_\w+thunk\w*|__x86_return_thunk|clear_bhb_loop)$|^__s390_indirect_\w+$/,
    "the compiler",
    "mitigations of speculative execution put branches to it into every file",
  ],
  [
    /^__(cfi_slowpath|cfi_check)\w*$|^__cfi_\w+$/,
    "the compiler",
    "control flow integrity puts calls of it into every file",
  ],
  [
    /^(latent_entropy|randomize_layout)\w*$/,
    "the compiler",
    "a plugin of the compiler puts uses of it into every file",
  ],
  [
    /^__(fix|float|extend|trunc)\w*[sd][if]2?$|^__(muls|divs|udivs|mods|umods|ashl|ashr|lshr|cmp|ucmp|bswap|clz|ctz|ffs|popcount|udivmod|divmod|mul|neg|add|sub|div|udiv|mod|umod|float\w*|fix\w*|parity)(q|h|s|d|t|v)?[if][2-4]\w*$|^__(divdi3|moddi3|udivdi3|umoddi3|muldi3|ashldi3|ashrdi3|lshrdi3|cmpdi2|ucmpdi2|udivmoddi4|clzsi2|ctzsi2|clzdi2|ctzdi2|ffsdi2|div64_32|divsi3|modsi3|udivsi3|umodsi3|mulsi3|udivsi3_\w+|sdivsi3\w*|movmem\w*|movstr\w*|st_r\w*|ashiftrt\w*|sdivsi\w*|movstrSI\w+)$/,
    "the compiler",
    "a function of libgcc that it calls for arithmetic the machine does not have",
  ],
  [
    /^__aeabi_\w+$|^__gnu_(thumb\w*|ldivmod_helper)$|^__(hexagon|qdsp_|save_r|restore_r|rest_|sav)\w+$|^\$?\$?(divI|divU|remI|remU|mulI|dyncall)\w*$|^__canonicalize_\w+$|^__millicode_\w+$|^_(save|rest)(gpr|fpr|vr|gpr[01])_\d+\w*$|^__(ld|st)_r\w+_to_r\w+\w*$/,
    "the compiler",
    "a helper of the machine's ABI that the compiler calls",
  ],
  [
    /^(memcpy|memset|memmove|memcmp|__memcpy|__memset|__memmove|bcmp|strlen|strcpy|strcmp|stpcpy|abort)$/,
    "the compiler",
    "the compiler calls it for copies, fills and comparisons that it finds in the code",
  ],
  [
    /^__(sync|atomic)_\w+_\d$|^__aarch64_(cas|swp|ld)\w+$/,
    "the compiler",
    "atomic operations that it does not write out",
  ],
  [
    /^(module_layout|__this_module|struct_module)$/,
    "the module loader",
    "modpost writes a use of it into every module, to compare versions",
  ],
  [/^(__orc_\w+|orc_\w+_lookup)$/, "the module loader", "found by name when a module is loaded"],
  [
    /^__symbol_(get|put)$|^symbol_put_addr$/,
    "symbol_get and symbol_put",
    "include/linux/module.h leads to it from these macros, and hms reads them by their own rule",
  ],
  [
    /^__(put|get)_user_(nocheck_|32t_|64t_)?[1248]$/,
    "put_user and get_user",
    "assembler in the headers makes its name of the function and the size of the argument",
  ],
  [
    /^bpf_trace_run\d+$/,
    "TRACE_EVENT",
    "include/trace/bpf_probe.h calls bpf_trace_run and the number of arguments for every tracepoint",
  ],
  [
    /^__dynamic_(pr|dev|netdev|ibdev)_debug$/,
    "the macros of dynamic debug",
    "pr_debug and its kin lead to it under CONFIG_DYNAMIC_DEBUG",
  ],
];

/** The rule by which something that no file shows uses a symbol, or null. */
export function knownUse(symbol: string): KnownUse | null {
  for (const [pattern, by, rule] of KNOWN) if (pattern.test(symbol)) return { by, rule };
  return null;
}
