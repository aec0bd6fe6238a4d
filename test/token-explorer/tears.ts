/** The ways in which a cut leaves one operation of a chip, each booted: those after which the chip is the same are one. */

import { createHash } from "node:crypto";
import { AID_PURSE } from "../../firmware/protocol/apdu.js";
import { Element } from "../../host/element.js";
import { SimulatorTransport } from "../../host/transports/simulator.js";
import type { Applet } from "../../simulator/applet.js";
import type { Chip } from "../../simulator/chip.js";
import { Element as SimulatedElement } from "../../simulator/element.js";
import { PowerCut } from "../../simulator/faults.js";
import { type Tear, tearsOf } from "../../simulator/tears.js";
import { VirtualClock } from "../../simulator/time.js";
import { RecordReader } from "../support/conservation-records.js";
import { generator } from "../support/store-driver.js";
import { START_SECONDS } from "../support/virtual-time.js";
import { FLASH, newChip, PIN, seedOf, type Traced } from "./chip.js";

export interface Classes {
  /** The first tear of each class, in the order of `tearsOf`. */
  readonly tears: readonly number[];
  /** Images that were booted: all that differ. */
  readonly booted: number;
  /** Tears after which the chip does not start, or its store is none. */
  readonly wrong: readonly { readonly tear: number; readonly said: string }[];
}

let reader: Promise<RecordReader> | undefined;

export async function classesOf(traced: Traced, applet: Applet): Promise<Classes> {
  reader ??= RecordReader.create(FLASH);
  const records = await reader;
  const chip = newChip("torn", new VirtualClock(Number(START_SECONDS) * 1000));
  const seen = new Set<string>();
  const classes = new Map<string, number>();
  const wrong: { tear: number; said: string }[] = [];
  const { operation } = traced;
  let number = -1;
  for (const tear of tearsOf(operation, FLASH.wordSizeBytes, generator(seedOf(operation)))) {
    number += 1;
    tornTo(chip, traced, tear);
    const image = createHash("sha256").update(chip.snapshot()).digest("hex");
    if (seen.has(image)) continue;
    seen.add(image);
    try {
      const name = await classOf(chip, applet, records);
      if (!classes.has(name)) classes.set(name, number);
    } catch (error) {
      wrong.push({ tear: number, said: error instanceof Error ? error.message : String(error) });
    }
  }
  return { tears: [...classes.values()], booted: seen.size, wrong };
}

/** Boots the chip: its records, space and wear, keys and counter. */
async function classOf(chip: Chip, applet: Applet, records: RecordReader): Promise<string> {
  const simulated = new SimulatedElement(applet, chip);
  try {
    const element = await Element.select(new SimulatorTransport(simulated), AID_PURSE);
    const stored = records.digest(chip.snapshot(), "a torn chip");
    await element.verifyPin(PIN);
    const registers = Buffer.from(chip.persistentRegisters()).toString("hex");
    return `${stored} ${JSON.stringify(await element.store())} ${registers}`;
  } finally {
    simulated.powerOff();
  }
}

/** Leaves the chip as it is when power goes so: does the operation again, and cuts it. */
function tornTo(chip: Chip, { after, before, operation }: Traced, tear: Tear): void {
  const { address, kind, lengthBytes } = operation;
  chip.restore(tear === "after" && lengthBytes === 0 ? after : before);
  if (lengthBytes === 0) return;
  chip.onOperation = () => ({ cut: tear });
  try {
    if (kind === "flash-erase") chip.flash.erase(address / FLASH.pageSizeBytes);
    else chip.flash.program(address, after.subarray(address, address + lengthBytes));
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  } finally {
    chip.onOperation = undefined;
  }
}
