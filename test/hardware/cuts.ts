/**
 * Losses of power in the middle of many operations on flash and registers, sent as fast as a board takes them, so that sectors are
 * collected under them: what was answered is kept, of the rest as many as were done, and of one of them a part that flash may leave.
 */

import { DEFAULT_GEOMETRY } from "../../simulator/flash.js";
import { BoardGone, type BoardUnderTest, type Kept, type RunningBoard } from "./board.js";
import { callMessage, MEMORY_BYTES, memoryMessage, POWER_MESSAGE } from "./calls.js";
import { Difference } from "./session.js";
import { Draws } from "./sessions.js";

const { pageSizeBytes: PAGE_BYTES, pageCount: PAGE_COUNT, wordSizeBytes: WORD_BYTES } = DEFAULT_GEOMETRY;
const ERASED = 0xff;
const OPERATIONS = 60;
const PROGRAM_BYTES_MAX = 2048;
/** So many times as long as the first ones take, under which nothing is collected yet, the longest may take. */
const SLOWEST = 2;

type Operation =
  | { readonly kind: "program"; readonly address: number; readonly from: number; readonly length: number }
  | { readonly kind: "erase"; readonly page: number }
  | { readonly kind: "increment" };

/** What a board is to keep: flash and counter. */
class State {
  readonly flash: Buffer;
  readonly counter: number;

  constructor(flash: Uint8Array, counter: number) {
    this.flash = Buffer.from(flash);
    this.counter = counter;
  }

  static of({ flash, registers }: Kept): State {
    return new State(flash, registers.length === 0 ? 0 : Buffer.from(registers).readUInt32LE(0));
  }

  page(page: number): Buffer {
    return this.flash.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  }

  /** Where in a page nothing is programmed from there on. */
  tail(page: number): number {
    const last = this.page(page).findLastIndex((byte) => byte !== ERASED);
    return Math.ceil((last + 1) / WORD_BYTES) * WORD_BYTES;
  }

  after(operation: Operation, memory: Uint8Array): State {
    if (operation.kind === "increment") return new State(this.flash, this.counter + 1);
    const next = new State(this.flash, this.counter);
    if (operation.kind === "erase") next.page(operation.page).fill(ERASED);
    else next.flash.set(memory.subarray(operation.from, operation.from + operation.length), operation.address);
    return next;
  }

  isSame(other: State): boolean {
    return this.counter === other.counter && this.flash.equals(other.flash);
  }

  /** Whether a part of the operation makes this of the one before. A page that is erased is whole, or erased. */
  isPartOf(operation: Operation, before: State, after: State): boolean {
    if (operation.kind !== "program" || this.counter !== before.counter) return false;
    const end = operation.address + operation.length;
    const isElsewhere =
      this.flash.subarray(0, operation.address).equals(before.flash.subarray(0, operation.address)) &&
      this.flash.subarray(end).equals(before.flash.subarray(end));
    // No bit that is to stay is cleared.
    const wanted = after.flash.subarray(operation.address, end);
    const isPart = this.flash
      .subarray(operation.address, end)
      .every((byte, i) => (byte & (wanted[i] ?? 0)) === wanted[i]);
    return isElsewhere && isPart;
  }
}

function anyOperation(state: State, draws: Draws): Operation {
  if (draws.below(6) === 0) return { kind: "increment" };
  const page = draws.below(PAGE_COUNT);
  const tail = state.tail(page);
  if (tail === PAGE_BYTES || (tail > 0 && draws.below(2) === 0)) return { kind: "erase", page };
  const most = Math.min(PAGE_BYTES - tail, PROGRAM_BYTES_MAX) / WORD_BYTES;
  const length = (1 + draws.below(most)) * WORD_BYTES;
  return { kind: "program", address: page * PAGE_BYTES + tail, from: draws.below(MEMORY_BYTES - length), length };
}

function messageOf(operation: Operation): Uint8Array {
  switch (operation.kind) {
    case "program":
      return callMessage("flash_program", operation.address, operation.from, operation.length);
    case "erase":
      return callMessage("flash_erase", operation.page);
    case "increment":
      return callMessage("counter_increment");
  }
}

/** Operations one after the other, and what each leaves. */
interface Burst {
  readonly operations: readonly Operation[];
  /** Before the first, and after each. */
  readonly states: readonly State[];
}

function burstFrom(state: State, memory: Uint8Array, draws: Draws): Burst {
  const operations: Operation[] = [];
  const states = [state];
  for (let i = 0; i < OPERATIONS; i++) {
    const last = states.at(-1) ?? state;
    const operation = anyOperation(last, draws);
    operations.push(operation);
    states.push(last.after(operation, memory));
  }
  return { operations, states };
}

/** How many of the operations were done when the board lost its power; below zero: it keeps what was at no moment. */
function doneOf(kept: State, { operations, states }: Burst): number {
  return states.findLastIndex((state, i) => {
    const [operation, next] = [operations[i], states[i + 1]];
    return (
      kept.isSame(state) || (operation !== undefined && next !== undefined && kept.isPartOf(operation, state, next))
    );
  });
}

/** Counts answers until the board is gone; each must be of a call that was carried out. */
async function countAnswers({ stream }: RunningBoard, count: number): Promise<number> {
  for (let answered = 0; answered < count; answered++) {
    const answer = await stream.receive().catch((error: unknown) => {
      if (error instanceof BoardGone) return undefined;
      throw error;
    });
    if (answer === undefined) return answered;
    const [isRunning, ...result] = answer;
    if (isRunning !== 1 || (result[3] ?? 0) >= 0x80) throw new Difference(`cuts: operation ${answered} was refused`);
  }
  return count;
}

interface CutOutcome {
  readonly answered: number;
  /** From the first operation on. */
  readonly duration_ms: number;
}

/** Sends all, and takes the power away after so long, or when they are done. */
async function cutWithin(
  running: RunningBoard,
  memory: Uint8Array,
  burst: Burst,
  moment_ms: number,
): Promise<CutOutcome> {
  const { stream } = running;
  let timer: NodeJS.Timeout | undefined;
  try {
    stream.send(memoryMessage(0, memory));
    const [isOn] = await stream.exchange(POWER_MESSAGE);
    if (isOn !== 1) throw new Difference("cuts: the element does not start");
    const begun_ms = performance.now();
    for (const operation of burst.operations) stream.send(messageOf(operation));
    const answers = countAnswers(running, burst.operations.length);
    // A random moment: there is no event that it waits for.
    const moment = new Promise<void>((resolve) => {
      if (Number.isFinite(moment_ms)) timer = setTimeout(resolve, moment_ms);
    });
    await Promise.race([moment, answers]);
    const duration_ms = performance.now() - begun_ms;
    await running.stop("kill");
    return { answered: await answers, duration_ms };
  } catch (error) {
    await running.stop("kill").catch(() => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Gives the chip in a folder so many losses of power, while the first of its elements works and the others must stay as they are.
 * Number of operations that were done.
 */
export async function checkCuts(
  board: BoardUnderTest,
  folder: string,
  [element = "", ...others]: readonly string[],
  cuts: number,
  onCut: () => void = () => undefined,
): Promise<number> {
  const draws = new Draws(`cuts ${cuts}`);
  const memory = draws.bytes(MEMORY_BYTES);
  const stateOf = (name: string) => State.of(board.kept(folder, name));
  const resting = others.map((name) => [name, stateOf(name)] as const);
  let state = stateOf(element);
  let operations = 0;
  let longest_ms = 0;
  for (let cut = 0; cut < cuts; cut++) {
    const burst = burstFrom(state, memory, draws);
    const running = await board.start({ folder, applets: [element], seed: `cuts ${cut}`, now_ms: 0 });
    const moment_ms = cut === 0 ? Number.POSITIVE_INFINITY : longest_ms * (draws.below(1000) / 1000);
    const { answered, duration_ms } = await cutWithin(running, memory, burst, moment_ms);
    if (cut === 0) longest_ms = SLOWEST * duration_ms;
    onCut();
    state = stateOf(element);
    const done = doneOf(state, burst);
    if (done < 0) throw new Difference(`cuts: after cut ${cut} the chip keeps what it was at no moment`);
    if (done < answered)
      throw new Difference(`cuts: cut ${cut} took ${answered - done} of ${answered} that were answered`);
    const changed = resting.find(([name, before]) => !stateOf(name).isSame(before));
    if (changed !== undefined)
      throw new Difference(`cuts: after cut ${cut} ${changed[0]} has changed, and did nothing`);
    operations += done;
  }
  return operations;
}
