/**
 * The oxlint rule `house/camel-case`: every name that TypeScript code declares is in camelCase.
 *
 * Exempt are the names of what crosses the edge of the process, since the outside spells them: JSON
 * of HTTP, webhooks, jobs and command lines, rows of MySQL, fields of Redis, labels of metrics and
 * fields of log lines. They occur as
 * - keys of object literals, which the rule does not check, since an object for the outside is
 *   built just before it leaves;
 * - types in the argument of a call or a tag and in an assertion, such as
 *   `sql<{ order_no: string }>` or `response.json<{ order_no: string }>()`;
 * - members of types in files for which `.oxlintrc.json` turns the option `membersAreWire` on;
 * - members of types whose names end in `Row`, `Job` or `Json`.
 */
interface Node {
  readonly type: string;
  readonly parent?: Node;
  readonly [field: string]: unknown;
}

interface Context {
  readonly options: readonly { readonly membersAreWire?: boolean }[];
  report(finding: { readonly node: Node; readonly message: string }): void;
}

const SNAKE_CASE = /^_?[a-z][a-z0-9]*(_[a-z0-9]+)+$/i;
const CONSTANT = /^[A-Z0-9_]+$/;
const WIRE_TYPE = /(Row|Job|Json)$/;

export const camelCase = {
  meta: {
    schema: [{ type: 'object', properties: { membersAreWire: { type: 'boolean' } }, additionalProperties: false }],
  },
  create(context: Context) {
    const membersAreWire = context.options[0]?.membersAreWire === true;

    function check(name: unknown): void {
      const node = name as Node | null;
      if (node?.type !== 'Identifier' && node?.type !== 'PrivateIdentifier') return;
      const text = node['name'] as string;
      if (SNAKE_CASE.test(text) && !CONSTANT.test(text)) {
        context.report({ node, message: `Write ${text} in camelCase, or map it where it crosses the edge.` });
      }
    }

    /** All names that a pattern binds. */
    function checkPattern(pattern: unknown): void {
      const node = pattern as Node | null;
      if (node === null) return;
      if (node.type === 'ObjectPattern') {
        for (const property of node['properties'] as Node[]) checkPattern(property['value'] ?? property['argument']);
      } else if (node.type === 'ArrayPattern')
        for (const element of node['elements'] as unknown[]) checkPattern(element);
      else if (node.type === 'AssignmentPattern') checkPattern(node['left']);
      else if (node.type === 'RestElement') checkPattern(node['argument']);
      else if (node.type === 'TSParameterProperty') checkPattern(node['parameter']);
      else check(node);
    }

    function checkFunction(node: Node): void {
      check(node['id'] ?? null);
      for (const parameter of node['params'] as unknown[]) checkPattern(parameter);
    }

    function checkMember(node: Node): void {
      if (!membersAreWire && node['computed'] !== true && !isWire(node)) check(node['key']);
    }

    return {
      VariableDeclarator: (node: Node) => checkPattern(node['id']),
      FunctionDeclaration: checkFunction,
      FunctionExpression: checkFunction,
      ArrowFunctionExpression: checkFunction,
      CatchClause: (node: Node) => checkPattern(node['param']),
      ImportSpecifier: (node: Node) => check(node['local']),
      PropertyDefinition: (node: Node) => check(node['key']),
      MethodDefinition: (node: Node) => check(node['key']),
      TSPropertySignature: checkMember,
      TSMethodSignature: (node: Node) => {
        checkMember(node);
        checkFunction(node);
      },
      TSFunctionType: checkFunction,
      TSNamedTupleMember: (node: Node) => check(node['label']),
    };
  },
};

/** Whether a member of a type is one of a type that describes what crosses the edge. */
function isWire(member: Node): boolean {
  let node = member;
  for (let up = node.parent; up !== undefined && up !== null; node = up, up = up.parent) {
    if (up.type === 'TSInterfaceDeclaration' || up.type === 'TSTypeAliasDeclaration') {
      return WIRE_TYPE.test((up['id'] as Node)['name'] as string);
    }
    if (up.type === 'TSAsExpression' || up.type === 'TSTypeAssertion') return true;
    if (node.type === 'TSTypeParameterInstantiation' && /^(Call|New|TaggedTemplate)Expression$/.test(up.type))
      return true;
    if (/(Function|Statement|Declaration|Expression)$/.test(up.type)) return false;
  }
  return false;
}
