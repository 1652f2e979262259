/** Bounds of a spec; each is named in the error that it leads to. */

/** Characters of a spec's text. */
export const SPEC_TEXT_MAX: number = 8 * 2 ** 20;
/** Words, marks and blanks of YAML (the `yaml` package's tokens): a second or two of parsing. */
export const SPEC_TOKENS_MAX = 1_000_000;
/** YAML values that a spec may have, those reached again through an alias counted again. */
export const SPEC_VALUES_MAX = 200_000;
/** Levels of lists and mappings inside each other. */
export const SPEC_DEPTH_MAX = 32;
/** NUMA nodes: the kernel's own bound. */
export const NODES_MAX = 1024;
/** Devices, and memories that are no NUMA node. */
export const DEVICES_MAX = 1024;
/** Links or bridges. */
export const LINKS_MAX = 65_536;
/** Members of all links and bridges together. */
export const MEMBERS_MAX: number = 4 * 2 ** 20;
/** Characters of a name or an id. */
export const NAME_MAX = 256;
/** Characters of a label, a reason, a source, an entry of `info`. */
export const PROSE_MAX = 2000;
/** Relative distances: 10 is local; the firmware's own table ends at 255. */
export const DISTANCE_MAX = 65_535;
/** Memory tiers are numbered below this. */
export const TIER_MAX = 65_535;
