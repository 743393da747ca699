/** The public surface as a compiler sees it: what each entry of the package exports, and what is said of it. */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** The entries of the package: the specifier, the built declarations, and the source that tests import. */
export const ENTRIES: readonly (readonly [specifier: string, declarations: string, source: string])[] = [
  ["pawl", "index", "index.ts"],
  ["pawl/testing", "testing", "testing/index.ts"],
  ["pawl/engine", "engine/index", "engine/index.ts"],
  ["pawl/engine/testing", "engine/testing", "engine/testing.ts"],
];

const program = ts.createProgram(
  ENTRIES.map(([, declarations]) => fileOf(declarations)),
  {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    lib: ["lib.es2022.d.ts", "lib.esnext.disposable.d.ts"],
    types: ["node"],
  },
);
const checker = program.getTypeChecker();

function fileOf(declarations: string): string {
  return join(PACKAGE, "dist", `${declarations}.d.cts`);
}

/** What an entry exports. */
export function exportsOf(declarations: string): readonly ts.Symbol[] {
  const file = program.getSourceFile(fileOf(declarations));
  const module = file === undefined ? undefined : checker.getSymbolAtLocation(file);
  if (module === undefined) throw new Error(`${fileOf(declarations)} is not there: build the TypeScript first`);
  return checker.getExportsOfModule(module);
}

/** The names of what an entry exports without a word on it, members included: `Handle.send`. */
export function unexplained(declarations: string): string[] {
  return exportsOf(declarations).flatMap((exported) => {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    return (symbol.declarations ?? []).flatMap((declaration) => silentIn(declaration, exported.name));
  });
}

/** A declaration, and the members below it, of which nothing is said. What one member of a union explains need not be said again. */
function silentIn(declaration: ts.Node, name: string): string[] {
  const own = isExplained(declaration) ? [] : [name];
  const members = membersOf(declaration);
  const explained = new Set(members.filter(isExplained).map(wordFor));
  const silent = members.filter((member) => !explained.has(wordFor(member)) || membersOf(member).length > 0);
  return [...own, ...silent.flatMap((member) => silentIn(member, `${name}.${wordFor(member)}`))];
}

function membersOf(node: ts.Node): readonly ts.Node[] {
  if (ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node) || ts.isTypeLiteralNode(node))
    return (node.members as ts.NodeArray<ts.Node>).filter((member) => !isPrivate(member) && !isTag(member));
  if (ts.isTypeAliasDeclaration(node)) return membersOf(node.type);
  if (ts.isVariableDeclaration(node) || ts.isPropertySignature(node))
    return node.type !== undefined && ts.isTypeLiteralNode(node.type) ? membersOf(node.type) : [];
  if (ts.isUnionTypeNode(node) || ts.isIntersectionTypeNode(node)) return node.types.flatMap(membersOf);
  return ts.isParenthesizedTypeNode(node) ? membersOf(node.type) : [];
}

/** Whether something is said of it here, at another overload, or where a class has it from. */
function isExplained(node: ts.Node): boolean {
  const symbol = (node as ts.Node & { readonly symbol?: ts.Symbol }).symbol;
  if (ts.isConstructorDeclaration(node) || symbol === undefined) return true;
  return symbol.getDocumentationComment(checker).length > 0;
}

/** What tells the members of a union apart: `kind: "message"`, `ok: true`. */
function isTag(node: ts.Node): boolean {
  return ts.isPropertySignature(node) && node.type !== undefined && ts.isLiteralTypeNode(node.type);
}

function isPrivate(node: ts.Node): boolean {
  const named = (node as ts.NamedDeclaration).name;
  if (named !== undefined && ts.isPrivateIdentifier(named)) return true;
  return ts.canHaveModifiers(node)
    ? (ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) ?? false)
    : false;
}

function wordFor(node: ts.Node): string {
  const { name } = node as ts.NamedDeclaration;
  return name === undefined ? "()" : name.getText();
}
