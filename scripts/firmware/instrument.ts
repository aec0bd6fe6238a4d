/**
 * Puts a call of `env.log_execution(block)` at the head of every block of an applet's code: a function's body, a loop's body,
 * both arms of an if, and what follows a place from which the code before may have left. The text of the same module says in
 * which function and line each block is. The compiler's own pass of this name leaves the arms out.
 */

/** Where a block is; its number is its place in the list. */
export interface CodeBlock {
  /** Source file, from the project's folder. */
  readonly file: string;
  readonly line: number;
  readonly function: string;
  /** Nothing but the end of a failed assertion, which no input may reach. */
  readonly asserts: boolean;
}

/** The import that tells of a block. */
export const LOG_EXECUTION = "log_execution";

export type Expression = number;

interface ExpressionInfo {
  readonly id: number;
  readonly type: number;
  readonly [field: string]: unknown;
}

/** What is used of the module that the compiler hands to a transform. */
export interface InstrumentedModule {
  addFunctionImport(name: string, module: string, base: string, parameters: number, results: number): void;
  getNumFunctions(): number;
  getFunctionByIndex(index: number): number;
  call(name: string, operands: readonly Expression[], type: number): Expression;
  block(label: string | null, children: readonly Expression[], type?: number): Expression;
  readonly i32: { const(value: number): Expression };
}

/** What is used of binaryen, which the compiler gives to transforms that are classes. */
export interface Binaryen {
  readonly i32: number;
  readonly none: number;
  readonly unreachable: number;
  readonly BlockId: number;
  readonly IfId: number;
  readonly LoopId: number;
  readonly BreakId: number;
  readonly ConstId: number;
  readonly NopId: number;
  readonly UnreachableId: number;
  getExpressionId(expression: Expression): number;
  getExpressionInfo(expression: Expression): ExpressionInfo;
  getFunctionInfo(functionReference: number): {
    readonly name: string;
    readonly base: string;
    readonly body: Expression;
  };
  getExpressionType(expression: Expression): number;
  Function: { setBody(functionReference: number, body: Expression): void };
  Block: { insertChildAt(block: Expression, index: number, child: Expression): void };
  If: { setIfTrue(branch: Expression, arm: Expression): void; setIfFalse(branch: Expression, arm: Expression): void };
  Loop: { setBody(loop: Expression, body: Expression): void };
}

const CHILDREN = [
  "condition",
  "ifTrue",
  "ifFalse",
  "body",
  "value",
  "ptr",
  "left",
  "right",
  "dest",
  "source",
  "size",
  "target",
];
const CHILD_LISTS = ["children", "operands"];

export class Instrumenter {
  #blocks = 0;

  constructor(
    private readonly module: InstrumentedModule,
    private readonly binaryen: Binaryen,
  ) {}

  run(): void {
    const { module, binaryen } = this;
    module.addFunctionImport(LOG_EXECUTION, "env", LOG_EXECUTION, binaryen.i32, binaryen.none);
    for (let i = 0; i < module.getNumFunctions(); i++) {
      const reference = module.getFunctionByIndex(i);
      const { base, body } = binaryen.getFunctionInfo(reference);
      const isImported = base !== "";
      if (isImported) continue;
      this.#walk(body);
      binaryen.Function.setBody(reference, this.#marked(body));
    }
  }

  #mark(): Expression {
    const { module, binaryen } = this;
    return module.call(LOG_EXECUTION, [module.i32.const(this.#blocks++)], binaryen.none);
  }

  #marked(expression: Expression): Expression {
    return this.module.block(null, [this.#mark(), expression], this.binaryen.getExpressionType(expression));
  }

  /** Marks everything inside, from the leaves up. */
  #walk(expression: Expression): void {
    const { binaryen } = this;
    // These have nothing inside, and binaryen cannot describe them.
    const id = binaryen.getExpressionId(expression);
    if (id === binaryen.UnreachableId || id === binaryen.NopId) return;
    const info = binaryen.getExpressionInfo(expression);
    // The value of a constant is no expression.
    if (info.id === binaryen.ConstId) return;
    for (const field of CHILDREN) {
      const child = info[field];
      if (typeof child === "number" && child !== 0) this.#walk(child);
    }
    for (const field of CHILD_LISTS)
      for (const child of (info[field] as Expression[] | undefined) ?? []) this.#walk(child);
    if (info.id === binaryen.IfId) this.#markArms(expression, info);
    if (info.id === binaryen.LoopId) binaryen.Loop.setBody(expression, this.#marked(info["body"] as Expression));
    if (info.id === binaryen.BlockId) this.#markAfterExits(expression, info["children"] as Expression[]);
  }

  #markArms(expression: Expression, info: ExpressionInfo): void {
    const [ifTrue, ifFalse] = [info["ifTrue"] as Expression, info["ifFalse"] as Expression];
    this.binaryen.If.setIfTrue(expression, this.#marked(ifTrue));
    if (ifFalse !== 0) this.binaryen.If.setIfFalse(expression, this.#marked(ifFalse));
  }

  /** What comes after a branch, or after a block that a branch leaves: one reaches it, another may not. */
  #markAfterExits(block: Expression, children: readonly Expression[]): void {
    for (let i = children.length - 1; i > 0; i--) {
      const before = this.binaryen.getExpressionInfo(children[i - 1] as Expression);
      if (this.#mayLeave(before)) this.binaryen.Block.insertChildAt(block, i, this.#mark());
    }
  }

  #mayLeave(info: ExpressionInfo): boolean {
    const { BreakId, BlockId, IfId, LoopId } = this.binaryen;
    if (info.id === BreakId) return info["condition"] !== 0;
    if (info.id === BlockId) return info["name"] !== null && info["name"] !== "";
    return info.id === IfId || info.id === LoopId;
  }
}

const FUNCTION = /^ \(func \$(\S+)/;
const LOCATION = /^\s*;;@ ([^:]+):(\d+):\d+/;
const CALL = new RegExp(`^\\s*\\(call \\$${LOG_EXECUTION}`);
const NUMBER = /^\s*\(i32\.const (\d+)\)/;
const ABORT = /^\s*\(call \$~lib\/builtins\/abort/;

/** Reads from the module's text where each block is. A block starts where the next line that has a place is. */
export function blocksOf(text: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let name = "";
  let called = false;
  let waiting: number[] = [];
  let afterMark = -1;
  let last = 0;
  const place = (file: string, line: number) => {
    last = line;
    for (const id of waiting) blocks[id] = { ...(blocks[id] as CodeBlock), file, line };
    waiting = [];
  };
  for (const line of text.split("\n")) {
    const found = FUNCTION.exec(line);
    if (found !== null) {
      place(fileName(name), last);
      last = 0;
      name = functionName(found[1] as string);
    } else if (CALL.test(line)) called = true;
    else if (called) {
      called = false;
      const id = Number((NUMBER.exec(line) as RegExpExecArray)[1]);
      blocks[id] = { file: fileName(name), line: 0, function: name, asserts: false };
      waiting.push(id);
      afterMark = id;
    } else if (ABORT.test(line) && afterMark >= 0) {
      // It has no place of its own: the assertion is the last before it.
      blocks[afterMark] = { ...(blocks[afterMark] as CodeBlock), line: last, asserts: true };
      waiting = waiting.filter((id) => id !== afterMark);
    } else {
      const at = LOCATION.exec(line);
      if (at !== null) place(at[1] as string, Number(at[2]));
      else if (/^\s*\((?!block)/.test(line)) afterMark = -1;
    }
  }
  place(fileName(name), last);
  return blocks;
}

function functionName(escaped: string): string {
  return escaped.replace(/^"|"$/g, "");
}

/** `firmware/lib/cbor/Reader#begin` lies in `firmware/lib/cbor.ts`. */
function fileName(name: string): string {
  return `${name.slice(0, name.lastIndexOf("/"))}.ts`;
}
