/** What boards may take: past a limit, `npm run footprint` fails. */

export interface Limit {
  /** Where in the report of a board: names with dots between. */
  readonly what: string;
  readonly most: number;
  /** What the project wants, where that is less than the limit. */
  readonly goal?: number;
}

const MILLION = 1_000_000;
const RAM_GOAL = 48 * 1024;

/** By board. A limit without a goal is the goal; the others are what was reached and a little more. */
export const LIMITS: Readonly<Record<string, readonly Limit[]>> = {
  "cortex-m4": [
    { what: "instructions.offlinePaymentModuleToModule", most: 30 * MILLION },
    { what: "instructions.offlinePaymentWithAgents", most: 60 * MILLION },
    { what: "ram.perApplet.money-module", most: RAM_GOAL },
    { what: "ram.perApplet.trusted-agent", most: RAM_GOAL },
    { what: "ram.perApplet.purse", most: RAM_GOAL },
    // Three quarters of what the linker keeps for it.
    { what: "ram.stackUsed", most: 4_608 },
  ],
  // It has no multiplication that adds: the field's products are the compiler's.
  rv32imc: [
    { what: "instructions.offlinePaymentModuleToModule", most: 70 * MILLION, goal: 30 * MILLION },
    { what: "instructions.offlinePaymentWithAgents", most: 154 * MILLION, goal: 60 * MILLION },
    { what: "ram.perApplet.money-module", most: 49_900, goal: RAM_GOAL },
    { what: "ram.perApplet.trusted-agent", most: RAM_GOAL },
    { what: "ram.perApplet.purse", most: RAM_GOAL },
    { what: "ram.stackUsed", most: 9_216 },
  ],
};

/** A limit names what the report does not have. */
export class LimitError extends Error {
  override readonly name = "LimitError";
}

function valueAt(report: unknown, what: string): number {
  let value = report;
  for (const name of what.split(".")) value = (value as Readonly<Record<string, unknown>> | undefined)?.[name];
  if (typeof value !== "number") throw new LimitError(`The report has no number ${what}, of which there is a limit.`);
  return value;
}

/** A sentence for each limit that a board's report is past. */
export function violationsOf(report: unknown, limits: readonly Limit[]): string[] {
  return limits.flatMap(({ what, most }) => {
    const value = valueAt(report, what);
    const [is, limit] = [value, most].map((number) => number.toLocaleString("en-US"));
    return value <= most ? [] : [`${what} is ${is}, more than ${limit}`];
  });
}

/** A sentence for each goal that a board's report is past, though not its limit. */
export function missedOf(report: unknown, limits: readonly Limit[]): string[] {
  return limits.flatMap(({ what, goal }) => {
    const value = valueAt(report, what);
    if (goal === undefined || value <= goal) return [];
    const [is, wanted] = [value, goal].map((number) => number.toLocaleString("en-US"));
    return [`${what} is ${is}; the goal is ${wanted}`];
  });
}
