/** What a configuration symbol can be. Defined several times (once an architecture), the widest counts. */
export type ConfigType = "tristate" | "bool" | "value";

/** Adds the symbols of a Kconfig file, without CONFIG_, to a table. */
export function readKconfig(text: string, types: Map<string, ConfigType>): void {
  let symbol = "";
  let helpIndent = -1;
  for (const line of text.split("\n")) {
    const body = line.trimStart();
    if (body === "" || body.startsWith("#")) continue;
    const indent = indentOf(line);
    if (helpIndent >= 0) {
      if (helpIndent === 0) {
        if (indent > 0) {
          helpIndent = indent;
          continue;
        }
      } else if (indent >= helpIndent) continue;
      helpIndent = -1;
    }
    const [word = "", name = ""] = body.split(/\s+/, 2);
    if (word === "config" || word === "menuconfig") symbol = name;
    else if (word === "help" || word === "---help---") helpIndent = 0;
    else if (/^(choice|endchoice|menu|endmenu|if|endif|source|comment|mainmenu)$/.test(word)) symbol = "";
    else if (symbol !== "") {
      const type = TYPES[word];
      if (
        type !== undefined &&
        WIDTH[type] > WIDTH[types.get(symbol) ?? "value"] - (types.has(symbol) ? 0 : 1)
      )
        types.set(symbol, type);
    }
  }
}

const TYPES: Readonly<Record<string, ConfigType>> = {
  tristate: "tristate",
  def_tristate: "tristate",
  bool: "bool",
  boolean: "bool",
  def_bool: "bool",
  int: "value",
  hex: "value",
  string: "value",
};
const WIDTH: Readonly<Record<ConfigType, number>> = { value: 0, bool: 1, tristate: 2 };

/** Columns, a tab going to the next multiple of eight. */
function indentOf(line: string): number {
  let column = 0;
  for (const c of line) {
    if (c === "\t") column = (column | 7) + 1;
    else if (c === " ") column++;
    else break;
  }
  return column;
}
