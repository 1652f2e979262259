import { CHARACTER, IN_NAME, SORT } from "./characters.ts";
import { MENTION } from "./mention.ts";
import { hashBytes, IntList, NAME_BYTES_MAX, type NameTable } from "./names.ts";
import {
  bodyFollows,
  CLASS_MAKERS,
  CLASS_PREFIX,
  closeOfComment,
  DECLARE,
  DEFINE,
  DIRECTIVES_OF_NAMES,
  directiveWord,
  EXPORT,
  endOfDirective,
  firstOfLine,
  includes,
  indexOf,
  isComparison,
  isIfZero,
  isInstruction,
  isParameter,
  PER_CPU,
  startsWith,
} from "./text.ts";
import { WORD } from "./words.ts";

/** What the token before was. */
const P = {
  none: 0,
  name: 1,
  type: 2,
  tag: 3,
  goto: 4,
  statement: 5,
  dot: 6,
  arrow: 7,
  star: 8,
  open: 9,
  close: 10,
  comma: 11,
  equals: 12,
  semicolon: 13,
  openBrace: 14,
  closeBrace: 15,
  string: 16,
  other: 17,
  colon: 18,
  annotationOpen: 19,
} as const;

/** What a brace opened. */
const BRACE = { code: 1, members: 2, values: 3 } as const;

/** State of a statement with regard to declarations: an expression; its start; a type was read; behind the name. */
const DECL = { none: -1, start: 0, typed: 1, named: 2 } as const;

/** Nesting deeper than this is no C; what is deeper is read as if it were this deep. */
const DEPTH_MAX = 250;
/** Bytes of one macro's text that are kept for the expansion of pasted names. */
export const MACRO_BYTES_MAX: number = 1 << 14;

/** What owns mentions: a macro, an inline function, an object, or the file itself (name 0). */
export const OWNER = { macro: 1, function: 2, object: 3, file: 4 } as const;

export interface ScanOptions {
  /** Every name that stands in an owner gets a number, not only those that have one. */
  readonly internAll: boolean;
  /** Mentions are kept with their owner. Else the owner is -1, and a name is kept once a file and sort. */
  readonly owners: boolean;
  /** Every mention is kept, also those in comments and strings and of other things of the same name. */
  readonly everything: boolean;
  readonly assembler: boolean;
}

/** What the scanner tells as it reads; positions are of the bytes being read. */
export interface ScanListener {
  /** A macro whose body pastes tokens or uses one that does; `start` and `end` hold all of it, from its name on. */
  onMacro(start: number, end: number, line: number): void;
  /** A macro that pastes is used; `end` is behind its name. */
  onUse(id: number, end: number, line: number, owner: number): void;
  onInclude(start: number, end: number, line: number): void;
}

/**
 * Reads C (and assembler that is preprocessed) for mentions of names. It does no preprocessing: it reads all branches
 * of conditions, tells declarations, members, tags, labels and locals from uses by what stands around them, and finds
 * its feet again at a brace in the first column.
 */
export class CodeScanner {
  readonly names: NameTable;
  /** Rows of owner, name, line, how it is mentioned. */
  readonly mentions: IntList = new IntList(1 << 12);
  /** Rows of name (0: the file), line, sort of owner, 0. */
  readonly owners: IntList = new IntList();
  /** By number: 1 for macros that paste tokens, 2 for those that export. */
  pasting: Uint8Array = new Uint8Array(1 << 12);
  readonly #meaning: Uint8Array;
  readonly #listener: ScanListener;
  #seen: Int32Array = new Int32Array(1 << 12);
  #stamp = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;
  #internAll = false;
  #keepOwners = false;
  #everything = false;
  // The owner of what is being read: made when the first mention needs it.
  #owner = -1;
  #ownerStart = 0;
  #ownerEnd = 0;
  #ownerLine = 0;
  #ownerSort = 0;
  // Locals of the function being read: number and depth of brace.
  readonly #locals: number[] = [];
  /** Names that this file defines itself, for good. */
  readonly #own: number[] = [];
  readonly #braces: Uint8Array = new Uint8Array(DEPTH_MAX + 6);
  readonly #parens: Int32Array = new Int32Array(DEPTH_MAX + 6);

  constructor(names: NameTable, meaning: Uint8Array, listener: ScanListener) {
    this.names = names;
    this.#meaning = meaning;
    this.#listener = listener;
  }

  /** Numbers up to which all names are words of the language. */
  #isWord(id: number): boolean {
    return id < this.#meaning.length && this.#meaning[id] !== 0;
  }

  scan(bytes: Uint8Array, length: number, options: ScanOptions): void {
    this.#bytes = bytes;
    this.#length = length;
    this.#internAll = options.internAll;
    this.#keepOwners = options.owners;
    this.#everything = options.everything;
    this.mentions.length = 0;
    this.owners.length = 0;
    this.#own.length = 0;
    this.#locals.length = 0;
    this.#stamp++;
    this.#owner = -1;
    if (options.assembler) this.#assembler();
    else this.#code();
    if (this.#own.length > 0) this.#markOwn();
  }

  /**
   * The file defines a name itself, whatever is configured: a definition below a condition is a stub for when the
   * real one is not there. What headers define counts for those who include them, and is no answer here.
   */
  #defined(id: number): void {
    if (!this.#keepOwners) this.#own.push(id);
  }

  /** Uses of names that the file defines are uses of its own. */
  #markOwn(): void {
    const own = new Set(this.#own);
    const { mentions } = this;
    for (let i = 0; i < mentions.length; i += 4)
      if (own.has(mentions.at(i + 1)) && mentions.at(i + 3) < MENTION.export)
        mentions.set(i + 3, MENTION.ownDefinition);
  }

  #keep(id: number, line: number, mention: number): void {
    if (mention >= MENTION.export && !this.#everything) return;
    let owner = -1;
    if (this.#keepOwners) owner = this.#needOwner();
    if (!this.#everything) {
      if (id >= this.#seen.length) this.#growSeen();
      // One row for each name an owner, or a file.
      const mark = this.#keepOwners ? -(owner + 2 + this.#stamp * 1_000_003) : this.#stamp;
      if (this.#seen[id] === (mark | 0)) return;
      this.#seen[id] = mark | 0;
    }
    this.mentions.push(owner, id, line, mention);
  }

  #growSeen(): void {
    const grown = new Int32Array(Math.max(this.#seen.length * 2, this.names.size + 1));
    grown.set(this.#seen);
    this.#seen = grown;
  }

  #setOwner(start: number, end: number, line: number, sort: number): void {
    this.#owner = -1;
    this.#ownerStart = start;
    this.#ownerEnd = end;
    this.#ownerLine = line;
    this.#ownerSort = sort;
  }

  #needOwner(): number {
    if (this.#owner >= 0) return this.#owner;
    const start = this.#ownerStart;
    const end = this.#ownerEnd;
    const bytes = this.#bytes;
    const name =
      this.#ownerSort === OWNER.file || end <= start
        ? 0
        : this.#internAll
          ? this.names.intern(bytes, start, end, hashBytes(bytes, start, end))
          : this.names.find(bytes, start, end, hashBytes(bytes, start, end));
    this.#owner = this.owners.length >> 2;
    this.owners.push(name, this.#ownerLine, name === 0 ? OWNER.file : this.#ownerSort, 0);
    return this.#owner;
  }

  /** Whether a use of a macro is told to the listener: one that exports always, one that pastes where it is a use. */
  #leads(id: number, mention: number): boolean {
    if (id >= this.pasting.length) return false;
    const how = this.pasting[id] as number;
    return how === 2 || (how === 1 && mention < MENTION.export);
  }

  #isLocal(id: number): boolean {
    const locals = this.#locals;
    for (let i = 0; i < locals.length; i += 2) if (locals[i] === id) return true;
    return false;
  }

  /** The next character that is no blank. */
  #peek(pos: number): number {
    const bytes = this.#bytes;
    let at = pos;
    while (at < this.#length) {
      const sort = SORT[bytes[at] as number];
      if (sort !== CHARACTER.blank && sort !== CHARACTER.newline) break;
      at++;
    }
    return at < this.#length ? (bytes[at] as number) : 0;
  }

  #code(): void {
    const bytes = this.#bytes;
    const length = this.#length;
    const names = this.names;
    const meaning = this.#meaning;
    const words = meaning.length;
    const braces = this.#braces;
    const parens = this.#parens;
    const conditions: number[] = [];
    const internAll = this.#internAll;
    let pos = 0;
    let line = 1;
    let lineStart = 0;
    let prev: number = P.none;
    let lastWord: number = WORD.none;
    let brace = 0;
    let paren = 0;
    let decl: number = DECL.start;
    let declParen = 0;
    let asmParen = 0;
    let asmNext = false;
    let annotationParen = 0;
    let expressionSeen = false;
    // Of the declaration outside of functions that is being read.
    let atoms = 0;
    let groups = 0;
    let typed = false;
    let tagged = false;
    let external = false;
    /** Between `extern` and its semicolon in a function. */
    let externalHere = false;
    let equals = false;
    let argument = 0;
    let calleeStart = 0;
    let calleeEnd = 0;
    let nameStart = 0;
    let nameEnd = 0;
    let nameLine = 0;
    let bracket = 0;

    const restart = (): void => {
      atoms = 0;
      groups = 0;
      typed = false;
      tagged = false;
      external = false;
      equals = false;
      bracket = 0;
      calleeStart = 0;
      calleeEnd = 0;
      nameStart = 0;
      nameEnd = 0;
      decl = DECL.none;
      asmParen = 0;
      annotationParen = 0;
      this.#locals.length = 0;
      if (this.#keepOwners) this.#setOwner(0, 0, line, OWNER.file);
    };
    restart();

    while (pos < length) {
      const c = bytes[pos] as number;
      const sort = SORT[c];
      if (sort === CHARACTER.blank) {
        pos++;
        continue;
      }
      if (sort === CHARACTER.newline) {
        pos++;
        line++;
        lineStart = pos;
        continue;
      }
      if (sort === CHARACTER.name) {
        const start = pos;
        let hash = 0x811c9dc5;
        let b = c;
        do {
          hash = Math.imul(hash ^ b, 0x01000193);
          b = bytes[++pos] as number;
        } while (pos < length && IN_NAME[b] === 1);
        if (brace === 0 && paren === 0 && start === lineStart && prev === P.close && groups > 0 && !typed)
          restart();
        const inOwner = internAll && (brace > 0 || paren > 0 || equals) && pos - start <= NAME_BYTES_MAX;
        const id = inOwner ? names.intern(bytes, start, pos, hash) : names.find(bytes, start, pos, hash);
        const word = id > 0 && id < words ? (meaning[id] as number) : WORD.none;
        lastWord = word;
        if (word !== WORD.none && word < WORD.symbolGet) {
          switch (word) {
            case WORD.type:
              prev = P.type;
              if (paren === declParen && decl === DECL.start) decl = DECL.typed;
              if (brace === 0 && paren === 0) atoms++;
              break;
            case WORD.tag:
              prev = P.tag;
              if (paren === declParen && decl === DECL.start) decl = DECL.typed;
              if (brace === 0 && paren === 0) tagged = true;
              break;
            case WORD.goto:
              prev = P.goto;
              decl = DECL.none;
              break;
            case WORD.asm:
              asmNext = true;
              prev = P.other;
              decl = DECL.none;
              break;
            case WORD.extern:
              if (brace === 0) external = true;
              else externalHere = true;
              prev = P.type;
              break;
            case WORD.storage:
              prev = P.type;
              break;
            case WORD.typedef:
              external = true;
              prev = P.type;
              break;
            case WORD.startsStatement:
              decl = DECL.start;
              declParen = paren;
              prev = P.statement;
              break;
            case WORD.for:
              prev = P.statement;
              break;
            default:
              decl = DECL.none;
              // `return (struct a) { … }` holds values, `if (a) { … }` code.
              if (word === WORD.statement && c === 114) expressionSeen = true;
              prev = P.statement;
          }
          continue;
        }
        asmNext = false;
        if (id === 0) {
          // A name of no interest: only its place counts.
          if (paren === declParen && decl === DECL.start) decl = DECL.typed;
          if (brace === 0 && paren === 0 && !equals && bracket === 0) {
            atoms++;
            nameStart = start;
            nameEnd = pos;
            nameLine = line;
          }
          prev = P.name;
          continue;
        }
        // A name that is looked for.
        const next = this.#peek(pos);
        let mention: number = MENTION.reference;
        if (prev === P.dot || prev === P.arrow) mention = MENTION.member;
        else if (prev === P.tag || prev === P.goto) mention = MENTION.otherThing;
        else if (annotationParen > 0) mention = MENTION.annotation;
        else if (brace === 0) {
          if (equals) mention = MENTION.reference;
          else if (paren === 0) {
            if (next === 40 && atoms === 0 && !tagged)
              mention = MENTION.reference; // A macro is used.
            else if (bracket > 0) mention = MENTION.reference;
            else if (external || (next === 40 && !bodyFollows(this.#bytes, this.#length, pos)))
              mention = MENTION.declaration;
            else mention = atoms === 0 && next !== 40 ? MENTION.otherThing : MENTION.definition;
            if (groups > 0 && !typed && next !== 40) mention = MENTION.otherThing;
            if (groups > 0 && typed) mention = MENTION.reference;
            if (mention === MENTION.definition && conditions.length === 0) this.#defined(id);
            if (mention === MENTION.reference && next === 40 && internAll) mention = MENTION.declaration;
          } else if (prev === P.star && next === 41 && groups === 1 && decl !== DECL.typed)
            mention = MENTION.declaration;
          else if (typed && groups === 1) {
            mention = MENTION.otherThing;
            if (decl === DECL.typed && (next === 44 || next === 41 || next === 91)) this.#locals.push(id, 0);
          } else if (groups <= 1) {
            mention = this.#inMacroArguments(calleeStart, calleeEnd, argument, paren);
            if (mention === MENTION.definition && conditions.length === 0) this.#defined(id);
          }
        } else {
          const kind = braces[brace] as number;
          if (kind === BRACE.members) mention = prev === P.open ? MENTION.reference : MENTION.otherThing;
          else if (kind === BRACE.code) {
            if (externalHere && prev !== P.open && prev !== P.comma) mention = MENTION.declaration;
            else if (
              next === 58 &&
              (prev === P.semicolon || prev === P.openBrace || prev === P.closeBrace || prev === P.colon)
            )
              mention = MENTION.otherThing;
            else if (
              decl === DECL.typed &&
              paren === declParen &&
              prev !== P.other &&
              prev !== P.close &&
              (next === 59 || next === 61 || next === 44 || next === 91 || next === 41 || next === 58) &&
              !(next === 61 && isComparison(this.#bytes, pos))
            ) {
              mention = MENTION.otherThing;
              this.#locals.push(id, brace);
            }
          }
          if (mention === MENTION.reference && this.#locals.length > 0 && this.#isLocal(id))
            mention = MENTION.otherThing;
        }
        if (lastWord !== WORD.none) mention = MENTION.otherThing;
        if (mention < MENTION.export || this.#everything) this.#keep(id, line, mention);
        if (next === 40 && this.#leads(id, mention))
          this.#listener.onUse(id, pos, line, this.#keepOwners ? this.#needOwner() : -1);
        if (paren === declParen && decl === DECL.start) decl = DECL.typed;
        if (brace === 0 && paren === 0 && !equals && bracket === 0) {
          atoms++;
          nameStart = start;
          nameEnd = pos;
          nameLine = line;
        }
        prev = P.name;
        continue;
      }
      if (sort === CHARACTER.digit) {
        do pos++;
        while (pos < length && IN_NAME[bytes[pos] as number] === 1);
        prev = P.other;
        continue;
      }
      switch (c) {
        case 47: {
          // '/'
          const n = bytes[pos + 1];
          if (n === 42) {
            const start = pos + 2;
            const startLine = line;
            pos = start;
            while (pos < length && !(bytes[pos] === 42 && bytes[pos + 1] === 47)) {
              if (bytes[pos] === 10) {
                line++;
                lineStart = pos + 1;
              }
              pos++;
            }
            if (this.#everything) this.#text(start, pos, startLine, MENTION.comment);
            pos += 2;
            continue;
          }
          if (n === 47) {
            const start = pos + 2;
            while (pos < length && bytes[pos] !== 10) pos++;
            if (this.#everything) this.#text(start, pos, line, MENTION.comment);
            continue;
          }
          pos++;
          prev = P.other;
          if (decl === DECL.typed) decl = DECL.none;
          continue;
        }
        case 34: {
          const start = ++pos;
          while (pos < length && bytes[pos] !== 34 && bytes[pos] !== 10) {
            if (bytes[pos] === 92) {
              if (bytes[pos + 1] === 10) {
                line++;
                lineStart = pos + 2;
              }
              pos++;
            }
            pos++;
          }
          if (asmParen > 0 || isInstruction(bytes, start)) this.#text(start, pos, line, MENTION.assembler);
          else if (lastWord === WORD.symbolGet && prev === P.open)
            this.#text(start, pos, line, MENTION.symbolGet);
          else if (this.#everything) this.#text(start, pos, line, MENTION.string);
          if (bytes[pos] === 34) pos++;
          prev = P.string;
          continue;
        }
        case 39: {
          pos++;
          while (pos < length && bytes[pos] !== 39 && bytes[pos] !== 10) pos += bytes[pos] === 92 ? 2 : 1;
          if (bytes[pos] === 39) pos++;
          prev = P.other;
          continue;
        }
        case 35: {
          // '#': a directive at the start of a line
          if (!firstOfLine(this.#bytes, pos, lineStart)) {
            pos++;
            continue;
          }
          const end = endOfDirective(this.#bytes, this.#length, pos);
          const word = directiveWord(this.#bytes, pos + 1, end);
          if (word === 1) {
            if (isIfZero(this.#bytes, pos, end)) {
              pos = this.#skipDisabled(end, line);
              line = this.#skippedTo;
              lineStart = pos;
              // The branch behind it, if there is one, is read as if it were the only one.
              conditions.push(brace, paren, atoms, declParen);
              if (this.#skippedEnd) conditions.length -= 4;
              continue;
            }
            conditions.push(brace, paren, atoms, declParen);
          } else if (word === 2) {
            const at = conditions.length - 4;
            if (at >= 0) {
              brace = conditions[at] as number;
              paren = conditions[at + 1] as number;
              declParen = conditions[at + 3] as number;
              if (brace === 0 && paren === 0 && conditions[at + 2] === 0) restart();
            }
          } else if (word === 3) {
            if (conditions.length >= 4) conditions.length -= 4;
          } else if (word === 4) {
            const owner = this.#owner;
            const { ownerStart, ownerEnd, ownerLine, ownerSort } = this.#ownerState();
            this.#define(pos, end, line, conditions.length > 0);
            this.#setOwner(ownerStart, ownerEnd, ownerLine, ownerSort);
            this.#owner = owner;
          } else if (word === 5) this.#listener.onInclude(pos, end, line);
          if (this.#everything && (word === 1 || word === 2))
            this.#text(pos + 1, end, line, MENTION.condition);
          for (let i = pos; i < end; i++) if (bytes[i] === 10) line++;
          pos = end;
          continue;
        }
        case 40: {
          if (brace === 0 && paren === 0 && !equals) {
            groups++;
            calleeStart = nameStart;
            calleeEnd = nameEnd;
            argument = 0;
            if (groups === 1) {
              typed = atoms > 1 || (tagged && atoms > 0) || prev === P.star || prev === P.type;
              if (typed) {
                decl = DECL.start;
                declParen = 1;
              } else if (this.#keepOwners) this.#macroOwner(calleeStart, calleeEnd, pos, line);
            }
          } else if (lastWord === WORD.for && prev === P.statement) {
            decl = DECL.start;
            declParen = paren + 1;
          } else if (paren === declParen && decl >= DECL.start) decl = DECL.none;
          paren++;
          if (asmNext) {
            asmParen = paren;
            asmNext = false;
          }
          if (lastWord === WORD.annotation && prev === P.name && annotationParen === 0)
            annotationParen = paren;
          pos++;
          prev = P.open;
          continue;
        }
        case 41: {
          if (asmParen === paren) asmParen = 0;
          if (annotationParen === paren) annotationParen = 0;
          if (paren > 0) paren--;
          if (declParen > paren) {
            declParen = (parens[brace] as number) <= paren ? (parens[brace] as number) : 0;
            decl = DECL.none;
          }
          pos++;
          prev = P.close;
          continue;
        }
        case 44: {
          if (brace === 0) {
            if (paren === 1) argument++;
            if (paren === 0 && !typed) {
              equals = false;
              bracket = 0;
            }
            if (typed && paren === 1) decl = DECL.start;
          } else if (paren === declParen && decl >= DECL.typed && braces[brace] === BRACE.code)
            decl = DECL.typed;
          pos++;
          prev = P.comma;
          continue;
        }
        case 59: {
          externalHere = false;
          if (brace === 0 && paren === 0) restart();
          else if (paren === (parens[brace] as number)) {
            decl = braces[brace] === BRACE.values ? DECL.none : DECL.start;
            declParen = paren;
            expressionSeen = false;
          } else if (brace > 0) decl = DECL.none;
          pos++;
          prev = P.semicolon;
          continue;
        }
        case 123: {
          if (brace === 0 && pos === lineStart && paren > 0 && typed) paren = 0;
          let kind: number = BRACE.code;
          if (brace === 0 && paren === 0) {
            if (equals) {
              kind = BRACE.values;
              if (this.#keepOwners) this.#setOwner(nameStart, nameEnd, nameLine, OWNER.object);
            } else if (groups > 0) {
              if (this.#keepOwners) this.#setOwner(calleeStart, calleeEnd, nameLine, OWNER.function);
            } else if (prev === P.string)
              kind = 0; // extern "C" {
            else kind = BRACE.members;
          } else if (lastWord === WORD.tag || (prev === P.name && this.#tagBefore(pos))) kind = BRACE.members;
          else if (braces[brace] === BRACE.values || braces[brace] === BRACE.members)
            kind = prev === P.open && braces[brace] === BRACE.values ? BRACE.code : (braces[brace] as number);
          else if (
            prev === P.equals ||
            prev === P.comma ||
            (prev === P.close && (expressionSeen || paren > (parens[brace] as number)))
          )
            kind = BRACE.values;
          pos++;
          prev = P.openBrace;
          if (kind === 0) {
            restart();
            continue;
          }
          if (brace < DEPTH_MAX) brace++;
          braces[brace] = kind;
          parens[brace] = paren;
          decl = kind === BRACE.code ? DECL.start : DECL.none;
          declParen = paren;
          expressionSeen = false;
          continue;
        }
        case 125: {
          const locals = this.#locals;
          while (locals.length > 0 && (locals.at(-1) as number) >= brace) locals.length -= 2;
          if (brace > 0) {
            paren = parens[brace] as number;
            brace--;
          }
          if (pos === lineStart) {
            brace = 0;
            paren = 0;
          }
          pos++;
          prev = P.closeBrace;
          decl = brace > 0 && braces[brace] === BRACE.code ? DECL.start : DECL.none;
          declParen = paren;
          expressionSeen = false;
          if (brace === 0 && paren === 0) {
            // A function ends here; a structure or an object goes on to its semicolon.
            if (groups > 0 && !equals) restart();
            else if (!equals) atoms++;
          }
          continue;
        }
        case 61: {
          if (bytes[pos + 1] === 61) {
            pos += 2;
            prev = P.other;
            if (paren === declParen) decl = DECL.none;
            continue;
          }
          if (brace === 0 && paren === 0) {
            equals = true;
            if (this.#keepOwners) this.#setOwner(nameStart, nameEnd, nameLine, OWNER.object);
          } else if (paren === declParen) {
            decl = decl === DECL.typed ? DECL.named : DECL.none;
            expressionSeen = true;
          }
          pos++;
          prev = P.equals;
          continue;
        }
        case 42:
          pos++;
          if (paren === declParen && decl === DECL.start) decl = DECL.none;
          prev = P.star;
          continue;
        case 46:
          if (bytes[pos + 1] === 46) {
            pos += bytes[pos + 2] === 46 ? 3 : 2;
            prev = P.other;
            continue;
          }
          pos++;
          prev = P.dot;
          continue;
        case 45:
          if (bytes[pos + 1] === 62) {
            pos += 2;
            prev = P.arrow;
          } else {
            pos++;
            prev = P.other;
          }
          if (paren === declParen) decl = DECL.none;
          continue;
        case 58:
          pos++;
          prev = P.colon;
          if (brace > 0 && braces[brace] === BRACE.code && paren === (parens[brace] as number)) {
            decl = DECL.start;
            declParen = paren;
          }
          continue;
        case 91:
          if (brace === 0 && paren === 0) bracket++;
          else if (paren === declParen && decl === DECL.typed) decl = DECL.named;
          pos++;
          prev = P.other;
          continue;
        case 93:
          if (brace === 0 && paren === 0 && bracket > 0) bracket--;
          pos++;
          prev = P.other;
          continue;
        default:
          pos++;
          prev = P.other;
          if (paren === declParen && decl !== DECL.named) decl = DECL.none;
      }
    }
  }

  #ownerState(): {
    readonly ownerStart: number;
    readonly ownerEnd: number;
    readonly ownerLine: number;
    readonly ownerSort: number;
  } {
    return {
      ownerStart: this.#ownerStart,
      ownerEnd: this.#ownerEnd,
      ownerLine: this.#ownerLine,
      ownerSort: this.#ownerSort,
    };
  }

  /** Outside of functions, in parentheses behind a name alone: what the macro of that name does with it. */
  #inMacroArguments(start: number, end: number, argument: number, paren: number): number {
    const bytes = this.#bytes;
    const isDefine = startsWith(bytes, start, end, DEFINE);
    if (isDefine || startsWith(bytes, start, end, DECLARE)) {
      const defined = includes(bytes, start, end, PER_CPU) ? 1 : 0;
      if (paren === 1 && argument === defined) return isDefine ? MENTION.definition : MENTION.declaration;
      return MENTION.fileArgument;
    }
    if (startsWith(bytes, start, end, EXPORT)) return MENTION.export;
    const id = this.names.find(bytes, start, end, hashBytes(bytes, start, end));
    if (id > 0 && id < this.#meaning.length && this.#meaning[id] === WORD.definer && argument === 0)
      return MENTION.definition;
    return MENTION.fileArgument;
  }

  /** What DEFINE_GUARD(name, …) and its kin make is used by that name; other macros' arguments are the file's. */
  #macroOwner(start: number, end: number, open: number, line: number): void {
    const bytes = this.#bytes;
    if (!CLASS_MAKERS.test(Buffer.from(bytes.subarray(start, end)).toString("latin1"))) {
      this.#setOwner(0, 0, line, OWNER.file);
      return;
    }
    let at = open + 1;
    while (at < this.#length && IN_NAME[bytes[at] as number] !== 1) at++;
    const nameStart = at;
    while (at < this.#length && IN_NAME[bytes[at] as number] === 1) at++;
    this.#setOwner(0, 0, line, OWNER.file);
    const name = `${CLASS_PREFIX}${Buffer.from(bytes.subarray(nameStart, at)).toString("latin1")}`;
    const id = this.#internAll ? this.names.add(name) : this.names.lookUp(name);
    if (id === 0) return;
    this.#owner = this.owners.length >> 2;
    this.owners.push(id, line, OWNER.function, 0);
  }

  /** Whether the name before this brace is a tag: `struct name {`. */
  #tagBefore(pos: number): boolean {
    const bytes = this.#bytes;
    let at = pos - 1;
    while (at > 0 && IN_NAME[bytes[at] as number] !== 1) at--;
    while (at > 0 && IN_NAME[bytes[at] as number] === 1) at--;
    while (at > 0 && SORT[bytes[at] as number] === CHARACTER.blank) at--;
    const end = at + 1;
    while (at >= 0 && IN_NAME[bytes[at] as number] === 1) at--;
    const id = this.names.find(bytes, at + 1, end, hashBytes(bytes, at + 1, end));
    return id > 0 && id < this.#meaning.length && this.#meaning[id] === WORD.tag;
  }

  #skippedTo = 0;
  #skippedEnd = false;
  /** From behind an `#if 0` to behind its #else, #elif or #endif. */
  #skipDisabled(from: number, firstLine: number): number {
    const bytes = this.#bytes;
    const start = from;
    let at = from;
    let line = firstLine;
    let depth = 0;
    this.#skippedEnd = true;
    let found = this.#length;
    while (at < this.#length) {
      if (bytes[at] !== 10) {
        at++;
        continue;
      }
      line++;
      at++;
      let word = at;
      while (word < this.#length && SORT[bytes[word] as number] === CHARACTER.blank) word++;
      if (bytes[word] !== 35) continue;
      const directive = directiveWord(this.#bytes, word + 1, this.#length);
      if (directive === 1) depth++;
      else if (directive === 3 && depth > 0) depth--;
      else if (depth === 0 && (directive === 3 || directive === 2)) {
        this.#skippedEnd = directive === 3;
        found = word;
        break;
      }
    }
    if (this.#everything) this.#text(start, found, firstLine, MENTION.disabled);
    while (found < this.#length && bytes[found] !== 10) found++;
    this.#skippedTo = line;
    return found;
  }

  /** Reads `#define NAME(…) BODY`, whose mentions belong to the macro. */
  #define(pos: number, end: number, firstLine: number, conditional: boolean): void {
    const bytes = this.#bytes;
    const names = this.names;
    let at = pos + 1;
    while (at < end && IN_NAME[bytes[at] as number] !== 1) at++;
    while (at < end && IN_NAME[bytes[at] as number] === 1) at++;
    while (at < end && IN_NAME[bytes[at] as number] !== 1) at++;
    const nameStart = at;
    while (at < end && IN_NAME[bytes[at] as number] === 1) at++;
    const nameEnd = at;
    const self = names.find(bytes, nameStart, nameEnd, hashBytes(bytes, nameStart, nameEnd));
    if (self !== 0 && !this.#isWord(self)) {
      if (!conditional) this.#defined(self);
      if (this.#everything) this.#keep(self, firstLine, MENTION.definition);
    }
    const parameters: number[] = [];
    if (bytes[at] === 40) {
      const close = indexOf(bytes, 41, at, end);
      while (at < close) {
        if (IN_NAME[bytes[at] as number] === 1) {
          const start = at;
          while (at < close && IN_NAME[bytes[at] as number] === 1) at++;
          parameters.push(start, at);
        } else at++;
      }
      at = close + 1;
    }
    this.#setOwner(nameStart, nameEnd, firstLine, OWNER.macro);
    this.#body(at, end, firstLine, parameters, nameStart, self);
  }

  #body(
    from: number,
    end: number,
    firstLine: number,
    parameters: readonly number[],
    macroStart: number,
    self: number,
  ): void {
    const bytes = this.#bytes;
    const names = this.names;
    let line = firstLine;
    let prev: number = P.none;
    let pasted = false;
    let pastes = false;
    let stringEnd = 0;
    let asmDepth = 0;
    let asmNext = false;
    let paren = 0;
    let lastWord: number = WORD.none;
    for (let at = from; at < end; ) {
      const c = bytes[at] as number;
      const sort = SORT[c];
      if (sort === CHARACTER.blank || c === 92) {
        at++;
      } else if (sort === CHARACTER.newline) {
        line++;
        at++;
      } else if (sort === CHARACTER.name) {
        const start = at;
        while (at < end && IN_NAME[bytes[at] as number] === 1) at++;
        const wasPasted = pasted;
        pasted = false;
        const hash = hashBytes(bytes, start, at);
        let id =
          this.#internAll && at - start <= NAME_BYTES_MAX
            ? names.intern(bytes, start, at, hash)
            : names.find(bytes, start, at, hash);
        const word = id > 0 && id < this.#meaning.length ? (this.#meaning[id] as number) : WORD.none;
        lastWord = word;
        if (word !== WORD.none) {
          asmNext = word === WORD.asm || (asmNext && word !== WORD.statement);
          prev =
            word === WORD.tag
              ? P.tag
              : word === WORD.goto
                ? P.goto
                : word === WORD.type
                  ? P.type
                  : word >= WORD.symbolGet
                    ? P.name
                    : P.statement;
          continue;
        }
        asmNext = false;
        if (id !== 0 && isParameter(bytes, start, at, parameters)) id = 0;
        const next = this.#peekInLine(at, end);
        if (id !== 0 && id !== self && !wasPasted && !(next === 35 && this.#pasteAt(at, end))) {
          let mention: number = MENTION.macro;
          if (prev === P.dot || prev === P.arrow) mention = MENTION.member;
          else if (prev === P.tag || prev === P.goto) mention = MENTION.otherThing;
          else if ((prev === P.type || prev === P.name) && (next === 59 || next === 61 || next === 44))
            mention = MENTION.otherThing;
          else if (prev === P.annotationOpen) mention = MENTION.annotation;
          if (mention < MENTION.export || this.#everything) this.#keep(id, line, mention);
          if (id < this.pasting.length && this.pasting[id] !== 0) pastes = true;
        }
        prev = P.name;
      } else if (c === 34) {
        const start = ++at;
        while (at < end && bytes[at] !== 34) at += bytes[at] === 92 ? 2 : 1;
        if (asmDepth > 0) this.#text(start, Math.min(at, end), line, MENTION.assembler);
        else if (this.#everything) this.#text(start, Math.min(at, end), line, MENTION.string);
        stringEnd = at;
        at++;
        prev = P.string;
      } else if (c === 39) {
        at++;
        while (at < end && bytes[at] !== 39) at += bytes[at] === 92 ? 2 : 1;
        at++;
        prev = P.other;
      } else if (c === 47 && bytes[at + 1] === 42) {
        const close = closeOfComment(this.#bytes, this.#length, at + 2);
        if (this.#everything) this.#text(at + 2, close - 2, line, MENTION.comment);
        for (; at < close; at++) if (bytes[at] === 10) line++;
      } else if (c === 47 && bytes[at + 1] === 47) {
        at = end;
      } else if (c === 35) {
        if (bytes[at + 1] === 35) {
          pasted = true;
          pastes = true;
          at += 2;
        } else {
          // "text_" #parameter in assembler makes a name as well.
          if (prev === P.string && IN_NAME[bytes[stringEnd - 1] as number] === 1) pastes = true;
          at++;
        }
        prev = P.other;
      } else {
        if (c === 40) {
          paren++;
          if (asmNext) asmDepth = paren;
          asmNext = false;
          prev = lastWord === WORD.annotation && prev === P.name ? P.annotationOpen : P.open;
        } else if (c === 41) {
          if (asmDepth === paren) asmDepth = 0;
          paren--;
          prev = P.close;
        } else if (c === 46) prev = bytes[at + 1] === 46 ? P.other : P.dot;
        else if (c === 45 && bytes[at + 1] === 62) {
          at++;
          prev = P.arrow;
        } else prev = P.other;
        if (c === 46 && bytes[at + 1] === 46) at += 2;
        at++;
        pasted = false;
        while (sort === CHARACTER.digit && at < end && IN_NAME[bytes[at] as number] === 1) at++;
      }
    }
    if (pastes && end - macroStart <= MACRO_BYTES_MAX) this.#listener.onMacro(macroStart, end, firstLine);
  }

  #peekInLine(pos: number, end: number): number {
    let at = pos;
    while (at < end && (SORT[this.#bytes[at] as number] === CHARACTER.blank || this.#bytes[at] === 92)) at++;
    return at < end ? (this.#bytes[at] as number) : 0;
  }

  #pasteAt(pos: number, end: number): boolean {
    const at = indexOf(this.#bytes, 35, pos, end);
    return this.#bytes[at + 1] === 35;
  }

  /** Names in text: assembler in strings, and with `everything` comments and strings. */
  #text(start: number, end: number, firstLine: number, mention: number): void {
    const bytes = this.#bytes;
    let line = firstLine;
    for (let at = start; at < end; ) {
      const c = bytes[at] as number;
      if (SORT[c] === CHARACTER.name) {
        const from = at;
        while (at < end && IN_NAME[bytes[at] as number] === 1) at++;
        // "\nname": the letter belongs to the backslash.
        const skip = bytes[from - 1] === 92 && mention === MENTION.assembler ? 1 : 0;
        if (from + skip >= at) continue;
        const hash = hashBytes(bytes, from + skip, at);
        const id =
          this.#internAll && at - from <= NAME_BYTES_MAX
            ? this.names.intern(bytes, from + skip, at, hash)
            : this.names.find(bytes, from + skip, at, hash);
        if (id !== 0 && !this.#isWord(id)) this.#keep(id, line, mention);
      } else {
        if (c === 10) line++;
        at++;
        // Digits start no name.
        if (SORT[c] === CHARACTER.digit) while (at < end && IN_NAME[bytes[at] as number] === 1) at++;
      }
    }
  }

  /** Assembler: every name is a use, but for what defines or declares it. */
  #assembler(): void {
    const bytes = this.#bytes;
    const length = this.#length;
    const names = this.names;
    let line = 1;
    let lineStart = 0;
    let definer = 0;
    let annotated = false;
    for (let at = 0; at < length; ) {
      const c = bytes[at] as number;
      const sort = SORT[c];
      if (sort === CHARACTER.newline) {
        at++;
        line++;
        lineStart = at;
        definer = 0;
        annotated = false;
      } else if (sort === CHARACTER.blank) at++;
      else if (sort === CHARACTER.name || c === 46) {
        const start = at;
        at++;
        while (at < length && IN_NAME[bytes[at] as number] === 1) at++;
        if (c === 46) {
          if (DIRECTIVES_OF_NAMES.has(Buffer.from(bytes.subarray(start, at)).toString("latin1"))) definer = 1;
          continue;
        }
        const id = names.find(bytes, start, at, hashBytes(bytes, start, at));
        if (id === 0) continue;
        const word = id < this.#meaning.length ? this.#meaning[id] : WORD.none;
        if (word === WORD.definer) definer = 1;
        else if (this.#leads(id, MENTION.export)) {
          annotated = true;
          if (this.#peek(at) === 40) this.#listener.onUse(id, at, line, -1);
        } else if (word === WORD.annotation || startsWith(bytes, start, at, EXPORT)) annotated = true;
        else if (word === WORD.none) {
          const label = bytes[at] === 58 && firstOfLine(this.#bytes, start, lineStart);
          let mention: number = MENTION.assembler;
          if (label || definer === 1) mention = MENTION.definition;
          else if (annotated) mention = MENTION.annotation;
          if (mention === MENTION.definition) this.#own.push(id);
          this.#keep(id, line, mention);
          // Only the first name behind it is defined.
          definer = definer === 1 ? 2 : definer;
          if (id < this.pasting.length && this.pasting[id] !== 0 && this.#peek(at) === 40)
            this.#listener.onUse(id, at, line, -1);
        }
      } else if (sort === CHARACTER.digit) {
        while (at < length && IN_NAME[bytes[at] as number] === 1) at++;
      } else if (c === 47 && bytes[at + 1] === 42) {
        const close = closeOfComment(this.#bytes, this.#length, at + 2);
        if (this.#everything) this.#text(at + 2, close - 2, line, MENTION.comment);
        for (; at < close; at++)
          if (bytes[at] === 10) {
            line++;
            lineStart = at + 1;
          }
      } else if (c === 47 && bytes[at + 1] === 47) {
        const start = at;
        while (at < length && bytes[at] !== 10) at++;
        if (this.#everything) this.#text(start, at, line, MENTION.comment);
      } else if (c === 34) {
        // ALTERNATIVE "", "call name": instructions, put in place when the kernel starts.
        const start = ++at;
        while (at < length && bytes[at] !== 34 && bytes[at] !== 10) at += bytes[at] === 92 ? 2 : 1;
        if (isInstruction(bytes, start)) this.#text(start, Math.min(at, length), line, MENTION.assembler);
        at++;
      } else if (c === 35) {
        if (firstOfLine(this.#bytes, at, lineStart)) {
          const end = endOfDirective(this.#bytes, this.#length, at);
          const word = directiveWord(this.#bytes, at + 1, end);
          if (word === 1 && isIfZero(this.#bytes, at, end)) {
            at = this.#skipDisabled(end, line);
            line = this.#skippedTo;
            lineStart = at;
            continue;
          }
          if (word === 4) this.#define(at, end, line, false);
          else if (word === 5) this.#listener.onInclude(at, end, line);
          for (; at < end; at++) if (bytes[at] === 10) line++;
        } else if (SORT[bytes[at + 1] ?? 10] === CHARACTER.blank) {
          // A comment of this assembler: `# text`; `#4` is a number.
          while (at < length && bytes[at] !== 10) at++;
        } else at++;
      } else at++;
    }
  }
}
