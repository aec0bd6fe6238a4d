/** Cards behind USB: sessions by the host's own transport, and reports of any kind, both beside the simulator. */

import { rmSync } from "node:fs";
import { toHex } from "../../host/codec/bytes.js";
import { HidTransport } from "../../host/transports/hid.js";
import { MachineClock } from "../../simulator/time.js";
import { UsbCard } from "../../simulator/usb/usb-card.js";
import { Reference, ReferenceStore, selectCommand } from "../hardware/reference.js";
import { Difference, type Session } from "../hardware/session.js";
import { Draws } from "../hardware/sessions.js";
import { continuation, initialization, reportsOf } from "../usb/reports.js";
import { keptBy } from "./serial-board.js";
import { RawHost, UsbBoard } from "./usb-board.js";

/** One session through HidTransport; the same answers as the simulator's, and the same kept at the end. APDUs. */
export async function compareUsbSession(program: string, session: Session, folder: string): Promise<number> {
  const { applets, seed, name } = session;
  rmSync(folder, { recursive: true, force: true });
  let { now_ms } = session;
  const store = new ReferenceStore();
  const reference = new Reference({ applets, seed, now_ms }, store);
  const board = await UsbBoard.start(program, { folder, applets, seed, now_ms });
  let apdus = 0;
  try {
    const transport = await HidTransport.open(board.line());
    reference.card.powerOn();
    for (const [index, step] of session.steps.entries()) {
      if (step.kind === "clock" && step.now_ms !== now_ms) {
        now_ms = step.now_ms;
        reference.setClock(now_ms);
        board.setClock(now_ms);
      } else if (step.kind === "power") {
        reference.card.powerOn();
        await transport.reset();
      } else if (step.kind === "apdu") {
        const expected = reference.card.transmit(new Uint8Array(step.apdu));
        const actual = await transport.transmit(step.apdu);
        apdus += 1;
        if (Buffer.compare(expected, actual) === 0) continue;
        const said = `sent ${toHex(step.apdu)}\n  board ${toHex(actual)}\n  simulator ${toHex(expected)}`;
        throw new Difference(`USB, ${name}, step ${index}:\n  ${said}`);
      }
    }
    await transport.close();
    await board.stop("end");
  } catch (error) {
    await board.stop("kill").catch(() => undefined);
    throw error;
  }
  for (const applet of applets) {
    const [actual, expected] = [keptBy(folder, applet, false), store.kept(applet)];
    const isSame =
      Buffer.compare(actual.flash, expected.flash) === 0 && Buffer.compare(actual.registers, expected.registers) === 0;
    if (!isSame) throw new Difference(`USB, ${name}, ${applet}: what is kept is not what the simulator keeps`);
  }
  return apdus;
}

const INIT = 0x06;
const GET_DATA = Uint8Array.of(0x80, 0xca, 0, 0, 0);
const CHANNELS = 3;

/** A whole transaction, so that nothing is under way after it: whether it goes well or not. */
function anyTransaction(draws: Draws): Uint8Array[] {
  const channel = draws.below(8) === 0 ? draws.pick([0, 9, 0x7fffffff, -1]) : 1 + draws.below(CHANNELS);
  const length = draws.pick([0, 1, 7, 8, 56, 57, 58, 116, 117, 300, 7609]);
  switch (draws.below(14)) {
    case 0:
      return [initialization(draws.pick([channel, -1]), INIT, draws.bytes(draws.pick([8, 8, 8, 7])))];
    case 1:
      return reportsOf(channel, 0x01, draws.bytes(length));
    case 2:
      return [initialization(channel, 0x04, [draws.pick([0, 0, 0, 9, 11])]), initialization(channel, 0x04, [0])];
    case 3:
      return reportsOf(channel, 0x40, draws.bytes(draws.pick([0, 0, 0, 1])));
    case 4:
      return [initialization(channel, 0x11)];
    case 5:
      return [initialization(channel, draws.below(128) | 0x20, [])];
    case 6:
      // Out of order, and no more of it.
      return [initialization(channel, 0x03, draws.bytes(57), 300), continuation(channel, 1 + draws.below(100))];
    case 7:
      // Taken back before it is whole.
      return [initialization(channel, 0x03, draws.bytes(57), 300), initialization(channel, 0x11)];
    case 8:
      return [initialization(channel, 0x01, [], draws.pick([7610, 65_535]))];
    case 9:
      return [initialization(channel, 0x01, draws.bytes(57), 200), initialization(channel, INIT, draws.bytes(8))];
    case 10:
    case 11:
      return reportsOf(channel, 0x03, selectCommand(draws.pick(["money-module", "trusted-agent"]), 0));
    case 12:
      return reportsOf(channel, 0x03, draws.bytes(length));
    default:
      return reportsOf(channel, 0x03, GET_DATA);
  }
}

/** Reports of any kind to the board and to the simulator's USB card: the same frames, keepalives apart. Reports of the device. */
export async function compareReports(program: string, seed: string, count: number, folder: string): Promise<number> {
  rmSync(folder, { recursive: true, force: true });
  const draws = new Draws(`${seed} reports`);
  const applets = ["money-module", "trusted-agent"] as const;
  const reference = new Reference({ applets, seed, now_ms: 0 }, new ReferenceStore());
  const simulated = new UsbCard(reference.card, new MachineClock());
  const expected: Uint8Array[] = [];
  simulated.onReport = (report) => expected.push(report.slice());
  simulated.plug();
  const board = await UsbBoard.start(program, { folder, applets, seed, now_ms: 0 });
  const host = new RawHost(board);
  let said = 0;
  try {
    for (let index = 0; index < count; index++) {
      // Channels first; and at the end something that is answered, behind which nothing more comes.
      const isLast = index === count - 1;
      const reports = index < CHANNELS || isLast ? [initialization(-1, INIT, draws.bytes(8))] : anyTransaction(draws);
      for (const report of reports) simulated.take(report);
      host.say(...reports);
      const heard = await host.hear(expected.length);
      for (const [at, report] of heard.entries()) {
        if (Buffer.compare(report, expected[at] as Uint8Array) === 0) continue;
        const sent = reports.map(toHex).join("\n       ");
        const parted = `board     ${toHex(report)}\n  simulator ${toHex(expected[at] as Uint8Array)}`;
        throw new Difference(`USB reports, ${seed}, transaction ${index}:\n  sent ${sent}\n  ${parted}`);
      }
      said += expected.length;
      expected.length = 0;
    }
    await board.stop("end");
  } catch (error) {
    await board.stop("kill").catch(() => undefined);
    throw error;
  } finally {
    simulated.unplug();
  }
  return said;
}
