/** Lives of chips, done again by a board in QEMU that measures itself. Its answers must be the simulator's, or what it did is something else. */

import { CONTROL_ATR } from "../../host/transports/serial-frames.js";
import { MEASURED_FUNCTIONS } from "../../scripts/hardware/measure-image.js";
import type { RunningBoard } from "../hardware/board.js";
import type { Life, RecordedExchange } from "./lives.js";
import type { Startable } from "./machine.js";

/** As test/hardware/measure/measure.h has them, in this order. */
const FIELDS = [
  "boot",
  "commands",
  "instructions",
  "flashReads",
  "flashBytesRead",
  "flashPrograms",
  "flashBytesProgrammed",
  "flashErases",
  "registerSaves",
  "registerInstructions",
] as const;
export type Field = (typeof FIELDS)[number];

export interface Calls {
  readonly count: number;
  readonly instructions: number;
}

/** Of one command, or of many together. */
export interface Counts extends Readonly<Record<Field, number>> {
  /** By the name of the platform's function. */
  readonly calls: Readonly<Record<string, Calls>>;
}

/** The board does not do what the simulator did. */
export class ReplayDifference extends Error {
  override readonly name = "ReplayDifference";
}

function readCounts(answer: Uint8Array): Counts {
  const words = FIELDS.length + 2 * MEASURED_FUNCTIONS.length;
  if (answer.length !== 4 * words) {
    throw new ReplayDifference(`the image answers ${answer.length} bytes of counts, and not ${4 * words}`);
  }
  const view = new DataView(answer.buffer, answer.byteOffset);
  const word = (index: number) => view.getUint32(4 * index, true);
  const fields = Object.fromEntries(FIELDS.map((field, index) => [field, word(index)])) as Record<Field, number>;
  const calls = MEASURED_FUNCTIONS.map((name, number) => {
    const at = FIELDS.length + 2 * number;
    return [name, { count: word(at), instructions: word(at + 1) }];
  });
  return { ...fields, calls: Object.fromEntries(calls) };
}

const NOTHING: Counts = {
  ...(Object.fromEntries(FIELDS.map((field) => [field, 0])) as Record<Field, number>),
  calls: Object.fromEntries(MEASURED_FUNCTIONS.map((name) => [name, { count: 0, instructions: 0 }])),
};

export function sumOf(all: readonly Counts[]): Counts {
  return all.reduce((sum, each) => {
    const fields = Object.fromEntries(FIELDS.map((field) => [field, sum[field] + each[field]]));
    const calls = MEASURED_FUNCTIONS.map((name) => {
      const [a, b] = [sum.calls[name] as Calls, each.calls[name] as Calls];
      return [name, { count: a.count + b.count, instructions: a.instructions + b.instructions }];
    });
    return { ...(fields as Record<Field, number>), calls: Object.fromEntries(calls) };
  }, NOTHING);
}

async function exchange({ stream }: RunningBoard, { command, response }: RecordedExchange, what: string) {
  const answer = await stream.exchange(command);
  if (Buffer.compare(answer, response) !== 0) {
    const [is, was] = [answer, response].map((bytes) => Buffer.from(bytes.subarray(-2)).toString("hex"));
    throw new ReplayDifference(
      `${what}: the board answers ${answer.length} bytes ending in ${is}, the simulator ${response.length} in ${was}`,
    );
  }
}

/** Has the board live through a life of a chip, from what the folder keeps of those before. */
export async function replay(board: Startable, folder: string, life: Life, watch: Watch): Promise<void> {
  const { applet, seed, now_ms, exchanges } = life;
  const running = await board.start({ folder, applets: [applet], seed, now_ms });
  try {
    // A board reads its clock while it starts; with an answer that is over, and the file may change.
    await running.stream.exchange(Uint8Array.of(CONTROL_ATR));
    await watch.powered?.(running);
    let clock_ms = now_ms;
    for (const [index, recorded] of exchanges.entries()) {
      if (recorded.now_ms !== clock_ms) running.setClock(recorded.now_ms);
      clock_ms = recorded.now_ms;
      await exchange(running, recorded, `${seed}, command ${index}`);
      await watch.answered?.(running);
    }
    await watch.over?.(running);
  } finally {
    await running.stop("kill");
  }
}

/** Called after power came, after each command that was answered as it should be, before power goes. */
export interface Watch {
  powered?(running: RunningBoard): Promise<void>;
  answered?(running: RunningBoard): Promise<void>;
  over?(running: RunningBoard): Promise<void>;
}

export interface MeasuredLife {
  /** Instructions from reset to the card's power. */
  readonly boot: number;
  /** Of each command. */
  readonly commands: readonly Counts[];
}

/** What the board counted in the life. */
export async function measure(board: Startable, folder: string, life: Life): Promise<MeasuredLife> {
  let boot = 0;
  const commands: Counts[] = [];
  const ask = async ({ stream }: RunningBoard) => readCounts(await stream.exchange(Uint8Array.of(CONTROL_ATR)));
  await replay(board, folder, life, {
    powered: async (running) => {
      boot = (await ask(running)).boot;
    },
    answered: async (running) => {
      commands.push(await ask(running));
    },
  });
  return { boot, commands };
}
