import { SaxesParser } from "saxes";
import { HmsError } from "../../model/error.ts";

/** Characters of an hwloc XML file, at most; one of 8,192 CPUs and 1,024 nodes has about 40 million. */
export const XML_LENGTH_MAX: number = 64 * 1024 * 1024;
/** Elements in a file, at most. */
export const ELEMENTS_MAX = 1_000_000;
/** Elements one inside the other, at most: PCI buses nest up to 256 deep, CPU objects up to 64. */
export const DEPTH_MAX = 512;

/** An element as it is in the file. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Element[];
  /** Its own text, without that of its children. */
  readonly text: string;
}

interface OpenElement extends Element {
  readonly children: OpenElement[];
  text: string;
}

/**
 * Parses an hwloc XML file of version 2 into its elements; throws HmsError with one sentence for anything else.
 * Entities other than XML's own five are refused, and so is a DTD inside the file, which could define them.
 */
export function parseHwlocXml(text: string): Element {
  if (text.length > XML_LENGTH_MAX) {
    throw new HmsError(
      "HWLOC_XML_TOO_LARGE",
      "EFBIG",
      `Read hwloc XML: it has ${text.length} characters, but ${XML_LENGTH_MAX} are read at most; write it again without what is not needed (lstopo --filter io:none).`,
    );
  }
  const parser = new SaxesParser();
  const open: OpenElement[] = [];
  let root: OpenElement | undefined;
  let elements = 0;
  const where = (): string => `line ${parser.line}, column ${parser.columnIndex + 1}`;
  parser.on("error", (error) => {
    throw malformed(error.message, where());
  });
  parser.on("doctype", (doctype) => {
    if (doctype.includes("[")) {
      throw invalid(
        `${where()}: it brings a DTD of its own, which could define entities and is not read; remove the part in brackets of its DOCTYPE`,
      );
    }
  });
  parser.on("opentag", (tag) => {
    elements += 1;
    if (elements > ELEMENTS_MAX) throw tooMany("elements", ELEMENTS_MAX);
    if (open.length >= DEPTH_MAX) throw tooMany("elements one inside the other", DEPTH_MAX);
    const element: OpenElement = { name: tag.name, attributes: tag.attributes, children: [], text: "" };
    if (root === undefined) {
      root = element;
      checkRoot(element);
    }
    open.at(-1)?.children.push(element);
    open.push(element);
  });
  parser.on("closetag", () => {
    open.pop();
  });
  parser.on("text", (part) => {
    const top = open.at(-1);
    if (top !== undefined) top.text += part;
  });
  parser.write(text).close();
  // The parser has refused a file without an element.
  if (root === undefined) throw invalid("it has no element");
  return root;
}

const REMEDY = "give a file that hwloc 2 wrote (lstopo --of xml FILE)";

function invalid(problem: string): HmsError {
  return new HmsError("HWLOC_XML_INVALID", "EINVAL", `Read hwloc XML: ${problem}.`);
}

function malformed(message: string, where: string): HmsError {
  const problem = message.replace(/^\d+:\d+:\s*/, "").replace(/\.$/, "");
  if (problem === "undefined entity") {
    return invalid(
      `${where}: it uses an entity, and only &amp; &lt; &gt; &quot; and &apos; are read; ${REMEDY}`,
    );
  }
  return invalid(`${where}: it is not well-formed XML (${problem}); ${REMEDY}`);
}

function tooMany(what: string, limit: number): HmsError {
  return new HmsError(
    "HWLOC_XML_TOO_LARGE",
    "EFBIG",
    `Read hwloc XML: it has more than ${limit} ${what}, which no machine needs; ${REMEDY}.`,
  );
}

/** hwloc 2 writes `<topology version="2.0">`, hwloc 1 no version, hwloc 3 `3.0`. */
function checkRoot(root: Element): void {
  if (root.name !== "topology") {
    throw invalid(`its first element is ${quoted(root.name)} where hwloc writes "topology"; ${REMEDY}`);
  }
  const { version } = root.attributes;
  if (version === undefined || !/^2(\.\d+)?$/.test(version)) {
    const given = version === undefined ? "has none, as files of version 1 do" : `is ${quoted(version)}`;
    const remedy =
      version !== undefined && /^[3-9]/.test(version)
        ? "export it as version 2 (lstopo --export-xml-flags v2)"
        : "convert it with hwloc 2 (lstopo --input OLD.xml NEW.xml)";
    throw new HmsError(
      "HWLOC_XML_VERSION",
      "EPROTONOSUPPORT",
      `Read hwloc XML: its version must be 2, but it ${given}; ${remedy}.`,
    );
  }
}

/** Text of the input inside a sentence: short, and on one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
