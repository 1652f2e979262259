import ts from "typescript";

/** Names that a file takes from a module; `*`: all of it, in a way that does not say which. */
export interface Use {
  /** The module as it is written. */
  readonly module: string;
  readonly name: string;
  readonly line: number;
}

/** What a file takes from others, by import, re-export, import(), require() and import types. */
export function usesOf(file: ts.SourceFile, checker: ts.TypeChecker | null): readonly Use[] {
  return new Reader(file, checker).read();
}

class Reader {
  readonly #file: ts.SourceFile;
  readonly #checker: ts.TypeChecker | null;
  readonly #uses: Use[] = [];
  /** Names that stand for whole modules here. */
  readonly #wholes = new Map<string, { readonly module: string; readonly symbol: ts.Symbol | undefined }[]>();

  constructor(file: ts.SourceFile, checker: ts.TypeChecker | null) {
    this.#file = file;
    this.#checker = checker;
  }

  read(): readonly Use[] {
    ts.forEachChild(this.#file, (node) => this.#visit(node));
    if (this.#wholes.size > 0) ts.forEachChild(this.#file, (node) => this.#members(node));
    return this.#uses;
  }

  #add(module: string, name: string, at: ts.Node): void {
    const line = this.#file.getLineAndCharacterOfPosition(at.getStart(this.#file)).line + 1;
    this.#uses.push({ module, name, line });
  }

  #visit(node: ts.Node): void {
    if (ts.isImportDeclaration(node)) this.#import(node);
    else if (ts.isExportDeclaration(node)) this.#reexport(node);
    else if (ts.isImportTypeNode(node)) this.#importType(node);
    else if (ts.isCallExpression(node)) this.#call(node);
    else if (ts.isImportEqualsDeclaration(node)) {
      const { moduleReference: reference } = node;
      if (ts.isExternalModuleReference(reference) && ts.isStringLiteral(reference.expression))
        this.#whole(node.name, reference.expression.text);
    }
    ts.forEachChild(node, (child) => this.#visit(child));
  }

  #import(node: ts.ImportDeclaration): void {
    if (!ts.isStringLiteral(node.moduleSpecifier)) return;
    const { text } = node.moduleSpecifier;
    const clause = node.importClause;
    if (clause?.name !== undefined) this.#add(text, "default", clause.name);
    const bindings = clause?.namedBindings;
    if (bindings === undefined) return;
    if (ts.isNamespaceImport(bindings)) this.#whole(bindings.name, text);
    else for (const one of bindings.elements) this.#add(text, (one.propertyName ?? one.name).text, one);
  }

  #reexport(node: ts.ExportDeclaration): void {
    const { moduleSpecifier: specifier, exportClause: clause } = node;
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    if (clause !== undefined && ts.isNamedExports(clause))
      for (const one of clause.elements) this.#add(specifier.text, (one.propertyName ?? one.name).text, one);
    else this.#add(specifier.text, "*", node);
  }

  #importType(node: ts.ImportTypeNode): void {
    const { argument, qualifier } = node;
    if (!ts.isLiteralTypeNode(argument) || !ts.isStringLiteral(argument.literal)) return;
    let first: ts.EntityName | undefined = qualifier;
    while (first !== undefined && ts.isQualifiedName(first)) first = first.left;
    this.#add(argument.literal.text, first === undefined ? "*" : first.text, node);
  }

  #call(node: ts.CallExpression): void {
    const [argument] = node.arguments;
    if (argument === undefined || !ts.isStringLiteralLike(argument)) return;
    const dynamic = node.expression.kind === ts.SyntaxKind.ImportKeyword;
    const required = ts.isIdentifier(node.expression) && node.expression.text === "require";
    if (dynamic || required) this.#taken(node, argument.text);
  }

  /** What is done with a module that import() or require() gave. */
  #taken(node: ts.Expression, module: string): void {
    let value: ts.Expression = node;
    let { parent } = value;
    while (ts.isAwaitExpression(parent) || ts.isParenthesizedExpression(parent)) {
      value = parent;
      parent = value.parent;
    }
    if (ts.isVariableDeclaration(parent) && parent.initializer === value) this.#bound(parent.name, module);
    else if (ts.isPropertyAccessExpression(parent) && parent.name.text === "then") this.#then(parent, module);
    else if (ts.isPropertyAccessExpression(parent) && value !== node)
      this.#add(module, parent.name.text, parent);
    else if (ts.isPropertyAccessExpression(parent) && !isImport(node))
      this.#add(module, parent.name.text, parent);
    else if (!ts.isExpressionStatement(parent)) this.#add(module, "*", node);
  }

  #then(access: ts.PropertyAccessExpression, module: string): void {
    const call = access.parent;
    const handler = ts.isCallExpression(call) ? call.arguments[0] : undefined;
    const parameter =
      handler !== undefined && (ts.isArrowFunction(handler) || ts.isFunctionExpression(handler))
        ? handler.parameters[0]
        : undefined;
    if (parameter === undefined) this.#add(module, "*", access);
    else this.#bound(parameter.name, module);
  }

  #bound(name: ts.BindingName, module: string): void {
    if (ts.isIdentifier(name)) this.#whole(name, module);
    else if (ts.isObjectBindingPattern(name))
      for (const one of name.elements) {
        const property = one.propertyName ?? one.name;
        const known = one.dotDotDotToken === undefined && ts.isIdentifier(property);
        this.#add(module, known ? property.text : "*", one);
      }
    else this.#add(module, "*", name);
  }

  #whole(name: ts.Identifier, module: string): void {
    const whole = { module, symbol: this.#checker?.getSymbolAtLocation(name) };
    // Functions of one file may each have a variable of that name.
    const known = this.#wholes.get(name.text);
    if (known === undefined) this.#wholes.set(name.text, [whole]);
    else known.push(whole);
  }

  /** What is taken of names that stand for whole modules. */
  #members(node: ts.Node): void {
    if (ts.isImportDeclaration(node)) return;
    if (ts.isIdentifier(node)) {
      const whole = this.#wholes.get(node.text)?.find(({ symbol }) => this.#means(node, symbol));
      if (whole !== undefined) this.#member(node, whole.module);
    }
    ts.forEachChild(node, (child) => this.#members(child));
  }

  #means(node: ts.Identifier, symbol: ts.Symbol | undefined): boolean {
    const { parent } = node;
    if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false;
    if ((ts.isVariableDeclaration(parent) || ts.isParameter(parent)) && parent.name === node) return false;
    if (ts.isImportEqualsDeclaration(parent)) return false;
    return symbol === undefined || this.#checker?.getSymbolAtLocation(node) === symbol;
  }

  #member(node: ts.Identifier, module: string): void {
    const { parent } = node;
    if (ts.isPropertyAccessExpression(parent) && parent.expression === node)
      this.#add(module, parent.name.text, parent);
    else if (ts.isQualifiedName(parent) && parent.left === node) this.#add(module, parent.right.text, parent);
    else if (ts.isElementAccessExpression(parent) && ts.isStringLiteralLike(parent.argumentExpression))
      this.#add(module, parent.argumentExpression.text, parent);
    else if (
      ts.isVariableDeclaration(parent) &&
      parent.initializer === node &&
      ts.isObjectBindingPattern(parent.name)
    )
      this.#bound(parent.name, module);
    else this.#add(module, "*", node);
  }
}

function isImport(node: ts.Expression): boolean {
  return ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
}

/** What the examples of a Markdown file or of documentation comments take: blocks that are fenced as TypeScript or JavaScript. */
export function usesOfExamples(text: string): readonly Use[] {
  const uses: Use[] = [];
  for (const block of text.matchAll(
    /^([ \t]*(?:\*[ \t]?)?)```(?:ts|tsx|js|jsx|typescript|javascript|mjs)\b[^\n]*\n([\s\S]*?)^[ \t]*(?:\*[ \t]?)?```/gm,
  )) {
    const code = (block[2] ?? "").replace(/^[ \t]*\*[ \t]?/gm, "");
    const line = text.slice(0, block.index).split("\n").length;
    const file = ts.createSourceFile("example.ts", code, ts.ScriptTarget.ESNext, true);
    for (const use of usesOf(file, null)) uses.push({ ...use, line: line + use.line });
  }
  return uses;
}
