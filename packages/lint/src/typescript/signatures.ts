import ts from "typescript";

/** Symbols that a person has to know to read how something is used: types of parameters, results, members, parents. */
export function signatureSymbols(symbol: ts.Symbol, checker: ts.TypeChecker): readonly ts.Symbol[] {
  const found = new Set<ts.Symbol>();
  for (const declaration of symbol.declarations ?? []) visit(declaration, checker, found);
  return [...found];
}

function visit(node: ts.Node, checker: ts.TypeChecker, found: Set<ts.Symbol>): void {
  if (ts.isBlock(node)) return;
  if (isHidden(node)) return;
  if (ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node) || ts.isParameter(node)) {
    // What a stated type says counts; without one it follows from the value.
    const part = node.type ?? node.initializer;
    if (part !== undefined) visit(part, checker, found);
    return;
  }
  if (ts.isIdentifier(node)) {
    const symbol = checker.getSymbolAtLocation(node);
    if (symbol !== undefined) found.add(resolved(symbol, checker));
    return;
  }
  ts.forEachChild(node, (child) => visit(child, checker, found));
}

/** `private x`, `#x`: no one outside sees it. */
function isHidden(node: ts.Node): boolean {
  if (!ts.isClassElement(node)) return false;
  if (node.name !== undefined && ts.isPrivateIdentifier(node.name)) return true;
  const flags = ts.canHaveModifiers(node) ? ts.getModifiers(node) : undefined;
  return flags?.some((one) => one.kind === ts.SyntaxKind.PrivateKeyword) === true;
}

/** What a name of an import or a re-export stands for in the end. */
export function resolved(symbol: ts.Symbol, checker: ts.TypeChecker): ts.Symbol {
  return (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
}
