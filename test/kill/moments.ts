/** Moments at which a process is killed: `KIND/VICTIM/SORT/N`, and `+SORT/N` for a second time in what comes after. */

import { KINDS, type Kind, type Victim } from "./kinds.js";
import { type Order, SORTS, type Sort } from "./orders.js";
import type { Draw } from "./random.js";

export interface Moment {
  readonly kind: Kind;
  readonly victim: Victim;
  readonly order: Order;
  /** When it is started again, or resumes. */
  readonly again?: Order;
}

export function momentText({ kind, victim, order, again }: Moment): string {
  const second = again === undefined ? "" : `+${again.sort}/${again.at}`;
  return `${kind.name}/${victim}/${order.sort}/${order.at}${second}`;
}

export function parseMoment(text: string): Moment {
  const [first = "", second] = text.split("+");
  const [kindName, victimName, ...order] = first.split("/");
  const kind = KINDS.find(({ name }) => name === kindName);
  const victim = kind?.victims.find((name) => name === victimName);
  if (kind === undefined || victim === undefined) throw new Error(`"${text}" is no moment: KIND/VICTIM/SORT/N`);
  const again = second === undefined ? {} : { again: orderOf(second.split("/"), text) };
  return { kind, victim, order: orderOf(order, text), ...again };
}

function orderOf([sort, at]: readonly string[], text: string): Order {
  const found = SORTS.find((name) => name === sort);
  const number = Number(at);
  if (found === undefined || !Number.isInteger(number) || number < 1) throw new Error(`"${text}" is no moment`);
  return { sort: found, at: number };
}

/** How many moments of a sort a victim has in a transaction of a kind, and in what comes after it died. */
export interface Range {
  readonly kind: Kind;
  readonly victim: Victim;
  readonly sort: Sort;
  readonly count: number;
  /** Moments of the durable sort of its recovery. */
  readonly recovery: number;
}

/** Every so many moments a second kill. */
const AGAIN_EVERY = 5;

/** Every range gets its moments in turn, and which of a range is drawn. */
export function drawMoments(ranges: readonly Range[], count: number, draw: Draw): Moment[] {
  const moments: Moment[] = [];
  let left: Range[] = [];
  while (moments.length < count) {
    if (left.length === 0) left = draw.shuffled(ranges);
    const range = left.pop();
    if (range === undefined) throw new Error("there are no moments to draw from");
    const { kind, victim, sort } = range;
    const order = { sort, at: 1 + draw.below(range.count) };
    const at = 1 + draw.below(Math.max(range.recovery, 1));
    const isTwice = moments.length % AGAIN_EVERY === AGAIN_EVERY - 1 && range.recovery > 0;
    moments.push({ kind, victim, order, ...(isTwice ? { again: { sort: "durable" as const, at } } : {}) });
  }
  return moments;
}
