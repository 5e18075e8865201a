/**
 * The oxlint rule `house/comment-width`: prose in comments is at most this wide. Code may be wider.
 */
const WIDTH_MAX = 100;

interface Position {
  readonly line: number;
  readonly column: number;
}
interface Comment {
  readonly loc: { readonly start: Position; readonly end: Position };
}

interface Context {
  readonly sourceCode: { readonly lines: readonly string[]; getAllComments(): readonly Comment[] };
  report(finding: {
    readonly loc: { readonly start: Position; readonly end: Position };
    readonly message: string;
  }): void;
}

/** Neither can be wrapped: an address, and a comment that a tool reads. */
const UNBREAKABLE = /https?:\/\/|oxlint-|@ts-/;

export const commentWidth = {
  create(context: Context) {
    const { lines } = context.sourceCode;
    return {
      Program(): void {
        for (const { loc } of context.sourceCode.getAllComments()) {
          for (let { line } = loc.start; line <= loc.end.line; line += 1) {
            const text = lines[line - 1]!;
            if (text.length <= WIDTH_MAX || UNBREAKABLE.test(text)) continue;
            const at = { start: { line, column: 0 }, end: { line, column: text.length } };
            context.report({ loc: at, message: `Wrap this comment at ${WIDTH_MAX} columns.` });
          }
        }
      },
    };
  },
};
