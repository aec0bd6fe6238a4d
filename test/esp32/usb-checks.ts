/** What a USB device does that has a time of its own: at work, reset, not listened to, taken by another. */

import { rmSync } from "node:fs";
import { systemRandom } from "../../host/randomness.js";
import { CtapHidClient } from "../../host/transports/ctaphid-client.js";
import { HidTransport, systemLineTime } from "../../host/transports/hid.js";
import { UsbInUseError } from "../../host/transports/hid-errors.js";
import type { AppletName } from "../../simulator/applet-files.js";
import { Reference, ReferenceStore, selectCommand } from "../hardware/reference.js";
import { Difference, type Session } from "../hardware/session.js";
import { framesIn, initialization, reportsOf } from "../usb/reports.js";
import { RawHost, UsbBoard } from "./usb-board.js";

const NONCE = [1, 2, 3, 4, 5, 6, 7, 8];
const MSG = 0x03;
const PING = 0x01;
const INIT = 0x06;
const LOCK = 0x04;
const KEEPALIVE = 0x3b;
const ERROR = 0x3f;
const BUSY = 0x06;
const TAKEN = 0x2d;
const GET_DATA = [0x80, 0xca, 0, 0, 0];
const SW_CONDITIONS = [0x69, 0x85];
/** Longer than the framing waits for somebody to fetch an answer (TRANSACTION_TIMEOUT_MS). */
const UNFETCHED_MS = 800;
/** So long a second program asks a device that is taken. */
const BUSY_MS = 300;
/** Of each programming of flash: a command that keeps something then takes some hundred milliseconds. */
const SLOW_MS = 60;

function check(isRight: boolean, what: string): void {
  if (!isRight) throw new Difference(`USB: ${what}`);
}

function isEqual(a: readonly number[] | undefined, b: readonly number[]): boolean {
  return a !== undefined && Buffer.compare(Uint8Array.from(a), Uint8Array.from(b)) === 0;
}

async function newChannel(host: RawHost): Promise<number> {
  host.say(initialization(-1, INIT, NONCE));
  const [frame] = framesIn(await host.hear(1));
  return new DataView(Uint8Array.from(frame?.data ?? []).buffer).getInt32(8);
}

async function ask(host: RawHost, channel: number, command: number, data: ArrayLike<number> = []) {
  host.say(...reportsOf(channel, command, data));
  const first = await host.hear(1);
  const length = ((first[0]?.[5] ?? 0) << 8) | (first[0]?.[6] ?? 0);
  const rest = await host.hear(Math.max(0, Math.ceil((length - 57) / 59)));
  return framesIn([...first, ...rest])[0];
}

/** A command that keeps something, and those before it, from a session. */
export interface Keeping {
  readonly session: Session;
  readonly before: readonly Uint8Array[];
  readonly apdu: Uint8Array;
}

export function keepingCommand(session: Session): Keeping {
  const store = new ReferenceStore();
  const reference = new Reference(session, store);
  const before: Uint8Array[] = [];
  for (const step of session.steps) {
    if (step.kind !== "apdu") continue;
    const kept = session.applets.map((applet) => store.kept(applet));
    reference.card.transmit(new Uint8Array(step.apdu));
    const isKept = kept.some(
      ({ flash }, i) => Buffer.compare(flash, store.kept(session.applets[i] as AppletName).flash) !== 0,
    );
    if (isKept) return { session, before, apdu: step.apdu };
    before.push(step.apdu);
  }
  throw new RangeError(`session: ${session.name} keeps nothing`);
}

/** Begins with the command that keeps something, on a channel that has sent those before it. */
async function beginKeeping(host: RawHost, channel: number, { before, apdu }: Keeping): Promise<void> {
  for (const each of before) await ask(host, channel, MSG, each);
  host.say(...reportsOf(channel, MSG, apdu));
}

type Check = (board: UsbBoard, keeping: Keeping) => Promise<void>;

/** Another program's command finds a card that has lost its power, and with it whatever the first had selected or verified. */
const othersFindNothing: Check = async (board) => {
  const host = new RawHost(board);
  const [a, b] = [await newChannel(host), await newChannel(host)];
  await ask(host, a, MSG, selectCommand("money-module"));
  const own = await ask(host, a, MSG, GET_DATA);
  check(!isEqual(own?.data, SW_CONDITIONS), "a channel's own selection is gone");
  const others = await ask(host, b, MSG, GET_DATA);
  check(isEqual(others?.data, SW_CONDITIONS), "another channel finds what the first one selected");
};

/** A card at work says so, is busy for others, and cannot be interrupted; what it says is for its own host. */
const workIsHeard: Check = async (board, keeping) => {
  const host = new RawHost(board);
  const [a, b] = [await newChannel(host), await newChannel(host)];
  await beginKeeping(host, a, keeping);
  const [first] = framesIn(await host.hear(1, true));
  check(first?.command === KEEPALIVE && first.channel === a, "a card at work does not say that it works");
  host.say(initialization(b, PING, []), initialization(a, 0x11), initialization(a, PING, []));
  const refusals = framesIn(await host.hear(2));
  check(
    refusals.every(({ command, data }) => command === ERROR && data[0] === BUSY),
    "a card at work is not busy",
  );
  const [answer] = framesIn(await host.hear(1));
  check(answer?.channel === a && answer.command === MSG, "a command that could not be taken back has no answer");
};

/** An INIT ends what its channel waits for: the card finishes, and nobody hears of it. */
const abandonedWorkIsSilent: Check = async (board, keeping) => {
  const host = new RawHost(board);
  const a = await newChannel(host);
  await beginKeeping(host, a, keeping);
  await host.hear(1, true);
  host.say(initialization(a, INIT, NONCE));
  const [again] = framesIn(await host.hear(1));
  check(again?.command === INIT, "a card at work keeps its host from beginning anew");
  // Busy until the card is done, and then as if nothing had been.
  let answer = await ask(host, a, PING, [1, 2, 3]);
  while (answer?.command === ERROR) answer = await ask(host, a, PING, [1, 2, 3]);
  check(isEqual(answer?.data, [1, 2, 3]), "what nobody waited for was said");
};

/** A reset of the bus, also in the midst of a command: a fresh device, and a card without power before. */
const resetForgets: Check = async (board, keeping) => {
  const host = new RawHost(board);
  await newChannel(host);
  const a = await newChannel(host);
  await beginKeeping(host, a, keeping);
  await host.hear(1, true);
  board.resetBus();
  // What was said of the old device may still come.
  host.say(initialization(-1, INIT, [9, 9, 9, 9, 9, 9, 9, 9]));
  let [frame] = framesIn(await host.hear(1));
  while (frame?.command !== INIT) [frame] = framesIn(await host.hear(1));
  check(isEqual(frame.data.slice(8, 12), [0, 0, 0, 1]), "channels outlive a reset of the bus");
  const answer = await ask(host, 1, MSG, GET_DATA);
  check(isEqual(answer?.data, SW_CONDITIONS), "a selection outlives a reset of the bus");
};

/** An answer that nobody fetches is given up: others' turn comes. The time that passes is what is looked at. */
const unfetchedAnswersEnd: Check = async (board) => {
  const host = new RawHost(board);
  const [a, b] = [await newChannel(host), await newChannel(host)];
  board.setFetching(false);
  host.say(...reportsOf(a, PING, new Uint8Array(400)));
  await new Promise<void>((resolve) => void setTimeout(resolve, UNFETCHED_MS));
  board.setFetching(true);
  // One report was at the endpoint already.
  await host.hear(1);
  const answer = await ask(host, b, PING, [7]);
  check(isEqual(answer?.data, [7]), "an answer that nobody fetched keeps others out");
};

/** The longest message, there and back. */
const longestMessages: Check = async (board) => {
  const host = new RawHost(board);
  const a = await newChannel(host);
  const data = Uint8Array.from({ length: 7609 }, (_, i) => (i * 31) & 0xff);
  // In pieces no larger than the board takes at once: USB would bring one a millisecond.
  const reports = reportsOf(a, PING, data);
  host.say(...reports);
  const answer = framesIn(await host.hear(reports.length))[0];
  check(isEqual(answer?.data, Array.from(data)), "the longest message comes back otherwise");
};

/** The lock of a host keeps others out, and the host's own transport says so. */
const lockKeepsOthersOut: Check = async (board) => {
  const transport = await HidTransport.open(board.line());
  const host = new RawHost(board);
  const mine = await ask(host, -1, INIT, NONCE);
  check(mine?.command === ERROR && mine.data[0] === BUSY, "a channel while another has the lock");
  const second = new CtapHidClient(board.line(), systemLineTime, systemRandom);
  const refused = await second.initialize(BUSY_MS).catch((error: unknown) => error);
  check(refused instanceof UsbInUseError, "a second program is not told that the first has the device");
  await transport.close();
  const next = await HidTransport.open(board.line());
  const answer = await next.transmit(Uint8Array.from(GET_DATA));
  check(isEqual(Array.from(answer), SW_CONDITIONS), "the next program finds what the last one left");
  await next.close();
};

/** A message that is cancelled before it is whole; after it the channel is free. */
const cancelledBeforeWhole: Check = async (board) => {
  const host = new RawHost(board);
  const a = await newChannel(host);
  host.say(initialization(a, MSG, [], 300), initialization(a, 0x11));
  const [frame] = framesIn(await host.hear(1));
  check(frame?.command === ERROR && frame.data[0] === TAKEN, "a message cannot be taken back");
  const locked = await ask(host, a, LOCK, [0]);
  check(locked?.command === LOCK, "a channel is not free after a message was taken back");
};

const CHECKS: readonly (readonly [check: Check, slow_ms: number])[] = [
  [othersFindNothing, 0],
  [workIsHeard, SLOW_MS],
  [abandonedWorkIsSilent, SLOW_MS],
  [resetForgets, SLOW_MS],
  [unfetchedAnswersEnd, 0],
  [longestMessages, 0],
  [lockKeepsOthersOut, 0],
  [cancelledBeforeWhole, 0],
];

/** How many checks there were; a Difference says which one did not hold. */
export async function checkUsb(program: string, keeping: Keeping, folder: string): Promise<number> {
  const { seed, now_ms } = keeping.session;
  for (const [run, slow_ms] of CHECKS) {
    rmSync(folder, { recursive: true, force: true });
    const applets = ["money-module", "trusted-agent"];
    const board = await UsbBoard.start(program, { folder, applets, seed, now_ms }, slow_ms);
    try {
      await run(board, keeping);
      await board.stop("end");
    } catch (error) {
      await board.stop("kill").catch(() => undefined);
      throw error;
    }
  }
  return CHECKS.length;
}
