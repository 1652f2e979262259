import type { NameTable } from "./names.ts";

/** What a word means to the scanner, whatever the tree calls its functions. */
export const WORD = {
  none: 0,
  /** A word of a type: int, const, volatile. */
  type: 1,
  /** struct, union, enum: the next name is a tag. */
  tag: 2,
  goto: 3,
  /** Before an expression or a statement: return, else, sizeof. */
  statement: 4,
  asm: 5,
  extern: 6,
  /** Words of storage that stand before a macro as well: static, inline. */
  storage: 7,
  /** typedef: what follows is no use. */
  typedef: 8,
  /** do and else: a statement starts behind them. */
  startsStatement: 9,
  for: 10,
  /** Takes a name as a string: __symbol_get("name"). */
  symbolGet: 11,
  /** Names a symbol without linking to it. */
  annotation: 12,
  /** Defines what its first or second argument names: LIST_HEAD(name). */
  definer: 13,
} as const;

const WORDS: Readonly<Record<number, string>> = {
  [WORD.type]:
    "__volatile__ __volatile __const__ __signed__ __extension__ int char short long unsigned signed float double void const volatile _Bool bool __user __iomem __percpu __rcu __force __kernel restrict __restrict u8 u16 u32 u64 s8 s16 s32 s64 size_t ssize_t loff_t __u8 __u16 __u32 __u64 __s8 __s16 __s32 __s64 uint8_t uint16_t uint32_t uint64_t",
  [WORD.tag]: "struct union enum",
  [WORD.goto]: "goto",
  [WORD.statement]:
    "return case sizeof if while switch default break continue typeof __typeof__ typeof_unqual __alignof__ _Alignof alignof offsetof __builtin_offsetof",
  [WORD.asm]: "asm __asm__ __asm asm_inline asm_volatile_goto asm_goto_output",
  [WORD.extern]: "extern",
  [WORD.storage]:
    "static inline __inline __inline__ __always_inline noinline __init __exit __initdata __ref __maybe_unused __weak asmlinkage notrace noinstr __must_check __visible __latent_entropy __read_mostly __cold __pure",
  [WORD.typedef]: "typedef",
  [WORD.startsStatement]: "else do",
  [WORD.for]: "for",
  [WORD.symbolGet]: "__symbol_get symbol_get symbol_request symbol_get_optional",
  [WORD.annotation]:
    "NOKPROBE_SYMBOL _ASM_NOKPROBE ALLOW_ERROR_INJECTION BTF_ID BTF_ID_FLAGS BTF_ID_LIST_SINGLE STACK_FRAME_NON_STANDARD STACK_FRAME_NON_STANDARD_FP ANNOTATE_NOENDBR_SYM symbol_put __symbol_put symbol_put_addr MODULE_INFO MODULE_DESCRIPTION __bpf_kfunc KSYM_FUNC KSYMTAB_FUNC SYMBOL_CRC SYM_FUNC_END SYM_CODE_END SYM_END SYM_DATA_END END ENDPROC END_FTR",
  [WORD.definer]:
    "LIST_HEAD HLIST_HEAD LLIST_HEAD SYM_FUNC_START SYM_FUNC_START_WEAK SYM_FUNC_START_LOCAL SYM_FUNC_START_NOALIGN SYM_CODE_START SYM_CODE_START_NOALIGN SYM_TYPED_FUNC_START SYM_FUNC_ALIAS SYM_FUNC_ALIAS_WEAK SYM_DATA SYM_DATA_START SYM_INNER_LABEL SYM_START ENTRY GLOBAL WEAK FUNC_START _GLOBAL _GLOBAL_TOC _GLOBAL_KASAN _GLOBAL_TOC_KASAN SYM_FUNC_START_PI ENTRY_CFI LEAF NESTED FEXPORT BLOCKING_NOTIFIER_HEAD ATOMIC_NOTIFIER_HEAD RAW_NOTIFIER_HEAD SRCU_NOTIFIER_HEAD RADIX_TREE KUNIT_DEFINE",
};

/** Puts the words into a table that is empty as yet, and returns the meaning of each by its number. */
export function addWords(names: NameTable): Uint8Array {
  const meaning = new Uint8Array(1024);
  for (const [word, list] of Object.entries(WORDS))
    for (const name of list.split(" ")) meaning[names.add(name)] = Number(word);
  return meaning;
}
