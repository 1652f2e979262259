// A kernel tree that is small enough to read: each part of it exercises a rule, or a trap that a search for words
// falls into.

type Files = Readonly<Record<string, string>>;

const TOP: Files = {
  Makefile: "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION =\nNAME = Small\n",
  Kconfig: 'mainmenu "small"\nsource "drivers/Kconfig"\n',
  Kbuild: "obj-y += kernel/ mm/ drivers/ lib/\n",
  MAINTAINERS: `Descriptions of section entries
-------------------------------

	M: *Mail* patches to: FullName <address@domain>

MEMORY MANAGEMENT
M:	A Person <a@example.org>
L:	linux-mm@example.org
S:	Maintained
F:	mm/
F:	include/linux/mm*.h

WIDGET DRIVER
M:	B Person <b@example.org>
F:	drivers/widget/
X:	drivers/widget/other*
`,
  "include/linux/export.h":
    '#define EXPORT_SYMBOL(sym) _EXPORT_SYMBOL(sym, "")\n#define EXPORT_SYMBOL_GPL(sym) _EXPORT_SYMBOL(sym, "GPL")\n',
  "include/linux/widget.h": `#define WIDGET_EXPORT(sym) EXPORT_SYMBOL_NS_GPL(sym, WIDGET)
#define widget_get(kind) widget_get_##kind()
#define widget_param(name, type) widget_named(name, name, type)
#define widget_named(name, value, type) struct ops o_##name = { &widget_ops_##type }
#define widget_frob_all(w) do { widget_frob(w); widget_poke(w); } while (0)
static inline int widget_inline(struct widget *w)
{
	return widget_by_inline(w);
}
static inline int widget_unused_inline(struct widget *w)
{
	return widget_by_unused_inline(w);
}
static inline int widget_twice(struct widget *w)
{
	return widget_inline(w);
}
DEFINE_GUARD(widget, struct widget *, widget_guard_lock(_T), widget_guard_unlock(_T))
int widget_by_header_prototype(void);
`,
  "include/trace/events/widget.h":
    "TRACE_EVENT(widget_event,\n\tTP_PROTO(int a),\n\tTP_fast_assign(__entry->a = widget_by_trace(a);),\n);\n",
  "drivers/Kconfig": `config WIDGET
	tristate "Widgets"
	help
	  bool is a word of this help, and no type:
	  bool "no"

config WIDGET_CORE
	bool "Core"

config GADGET
	tristate "Gadgets"

config WIDGET_KUNIT_TEST
	tristate "Tests"
`,
  "drivers/Makefile": "obj-$(CONFIG_WIDGET_CORE) += core.o\nobj-y += widget/ gadget/\n",
  "kernel/Makefile": "obj-y := base.o user.o\n",
  "mm/Makefile": "mmu-y := nothing.o\nmmu-$(CONFIG_WIDGET_CORE) := pages.o\nobj-y := $(mmu-y)\n",
  "mm/pages.c":
    "int use(void)\n{\n\treturn widget_by_builtin();\n}\nint mm_plain(void)\n{\n}\nEXPORT_SYMBOL_GPL(mm_plain);\n",
  "lib/Makefile": "lib-y := helper.o\n",
  "lib/helper.c": "int helper;\n",
};

const WIDGETS: Files = {
  "drivers/widget/Makefile": `obj-$(CONFIG_WIDGET) += widget.o
widget-y := main.o
widget-$(CONFIG_WIDGET_CORE) += \\
	extra.o
obj-$(CONFIG_WIDGET_KUNIT_TEST) += check.o
ccflags-y += -DDEFAULT_SYMBOL_NAMESPACE=WIDGETS
`,
  "drivers/widget/check.c": "int t(void)\n{\n\treturn widget_by_test();\n}\n",
  "drivers/widget/extra.c": "int e(void)\n{\n\treturn widget_by_own_module();\n}\n",
  "drivers/gadget/Makefile": "obj-$(CONFIG_GADGET) += gadget.o shim.o\n",
  "drivers/gadget/shim.c":
    '#define CREATE_TRACE_POINTS\n#include <trace/events/widget.h>\n#include "part.c"\n',
  "drivers/gadget/part.c": "int p(void)\n{\n\treturn widget_by_included_file();\n}\n",
};

/** Exports of drivers/widget/main.c, and the class that each must have. */
export const EXPECTED: Readonly<Record<string, string>> = {
  widget_by_module: "module",
  widget_by_builtin: "built-in",
  widget_by_own_module: "same-module",
  widget_by_test: "tests",
  widget_by_nobody: "nobody",
  widget_by_inline: "module",
  widget_by_unused_inline: "headers",
  widget_by_header_prototype: "nobody",
  widget_frob: "module",
  widget_poke: "module",
  widget_get_small: "module",
  widget_get_large: "nobody",
  widget_ops_int: "module",
  widget_ops_bool: "nobody",
  widget_guard_lock: "module",
  widget_by_trace: "module",
  widget_by_included_file: "module",
  widget_by_symbol_get: "module",
  widget_by_comment: "nobody",
  widget_by_string: "nobody",
  widget_by_member: "nobody",
  widget_by_local: "nobody",
  widget_by_own_static: "nobody",
  widget_by_if_0: "nobody",
  widget_by_tools: "nobody",
  widget_by_stub: "module",
  widget_by_file_macro: "module",
  widget_by_asm: "module",
  widget_by_boot: "nobody",
  widget_by_other_arch: "module",
  __sanitizer_cov_trace_widget: "module",
};

const CONSUMER = `#include <linux/widget.h>
/* widget_by_comment() is what we would call */
static const char *s = "widget_by_string";
struct ops { int (*widget_by_member)(void); };
#ifdef A
int widget_by_stub(void);
#else
static int widget_by_stub(void) { return 0; }
#endif
static int widget_by_own_static(void)
{
	return 1;
}
static int take(struct x *widget_by_local)
{
	return widget_by_local->a;
}
#if 0
int off(void)
{
	return widget_by_if_0();
}
#endif
widget_param(level, int);
module_thing(widget_by_file_macro);
int g(struct ops *o)
{
	guard(widget)(&o);
	widget_by_module();
	widget_by_stub();
	o->widget_by_member();
	widget_by_own_static();
	widget_frob_all(o);
	widget_get(small);
	symbol_get(widget_by_symbol_get);
	widget_by_other_arch();
	asm volatile("call widget_by_asm");
	return widget_twice(o);
}
`;

/** The files of the tree. */
export function smallKernel(): Record<string, string> {
  const names = Object.keys(EXPECTED);
  const main = names
    .map((name) => `int ${name}(void)\n{\n\treturn 0;\n}\nEXPORT_SYMBOL(${name});\n`)
    .join("\n");
  return {
    ...TOP,
    ...WIDGETS,
    "drivers/core.c": "int c(void)\n{\n\treturn 1;\n}\n",
    "drivers/widget/main.c": `${main}\n/* EXPORT_SYMBOL(in_a_comment); */\nWIDGET_EXPORT(widget_by_module_ns);\n#define MAKE(n) int made_##n(void) { return 0; } EXPORT_SYMBOL(made_##n)\nMAKE(one);\nMAKE(two);\n`,
    "drivers/gadget/gadget.c": CONSUMER,
    "kernel/base.c":
      "int base(void)\n{\n\treturn 0;\n}\nEXPORT_SYMBOL_NS(base, BASE);\nEXPORT_SYMBOL(a b);\n",
    "kernel/user.c": "int u(void)\n{\n\treturn base();\n}\n",
    "tools/testing/user.c": "int x(void)\n{\n\treturn widget_by_tools();\n}\n",
    "arch/x86/boot/main.c": "int y(void)\n{\n\treturn widget_by_boot();\n}\n",
    "arch/arm/Makefile": "obj-y += lib.o\n",
    "arch/arm/lib.c": "int arch_thing(void)\n{\n\treturn 0;\n}\nEXPORT_SYMBOL(arch_thing);\n",
    "arch/x86/Kbuild": "obj-$(CONFIG_GADGET) += lib.o\n",
    "arch/x86/lib.c": "int z(void)\n{\n\treturn arch_thing();\n}\n",
    "arch/mips/lib.S": "EXPORT_SYMBOL(from_assembler)\n",
  };
}
