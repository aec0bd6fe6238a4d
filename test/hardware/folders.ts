/**
 * The folder of an element on the POSIX board is the simulator's: each goes on where the other stopped, and neither opens it while
 * the other has it open.
 */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { toHex } from "../../host/codec/bytes.js";
import { shippedApplet } from "../../simulator/applet-files.js";
import { Chip } from "../../simulator/chip.js";
import { Element } from "../../simulator/element.js";
import { ElementFolder, ElementFolderError } from "../../simulator/element-folder.js";
import { DEFAULT_GEOMETRY } from "../../simulator/flash.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { VirtualClock } from "../../simulator/time.js";
import { BoardGone, type RunningBoard } from "./board.js";
import type { PosixBoard } from "./posix-board.js";
import { selectCommand } from "./reference.js";
import { Difference } from "./session.js";
import { Draws } from "./sessions.js";

const APPLET = "money-module";
const TURNS = 4;
const SELECT = selectCommand(APPLET);
/** Life begins: from now on the element has a key, and a store that is not empty. */
const PUT_KEY = Uint8Array.of(0x80, 0xd8, 0, 0, 32, ...new Draws("personalisation").bytes(32));
const GET_DIGEST = Uint8Array.of(0, 0xca, 0xdf, 0x05, 0);

function openFolder(folder: string): ElementFolder {
  return new ElementFolder(join(folder, APPLET), DEFAULT_GEOMETRY);
}

/** What the element in the folder says in the simulator. */
function inSimulator(folder: string, seed: string): string[] {
  const opened = openFolder(folder);
  try {
    const randomness = new SeededRandomness(sodiumCryptography, seed);
    const { flashStorage, registerStorage } = opened;
    const parts = {
      cryptography: sodiumCryptography,
      randomness,
      clock: new VirtualClock(),
      flashStorage,
      registerStorage,
    };
    const element = new Element(shippedApplet(APPLET), new Chip(parts));
    element.powerOn();
    return [SELECT, GET_DIGEST].map((command) => toHex(element.transmit(command)));
  } finally {
    opened.close();
  }
}

async function onBoard({ stream }: RunningBoard): Promise<string[]> {
  return [toHex(await stream.exchange(SELECT)), toHex(await stream.exchange(GET_DIGEST))];
}

async function beginLife({ stream }: RunningBoard): Promise<void> {
  await stream.exchange(SELECT);
  const answer = toHex(await stream.exchange(PUT_KEY));
  if (answer !== "9000") throw new Difference(`the board answers ${answer} to a new key`);
}

function demandRefusal(folder: string): void {
  try {
    openFolder(folder).close();
  } catch (error) {
    if (error instanceof ElementFolderError) return;
    throw error;
  }
  throw new Difference("the simulator opens a folder that the board has open");
}

async function demandNoStart(board: PosixBoard, folder: string): Promise<void> {
  const opened = openFolder(folder);
  try {
    const running = await board.start({ folder, applets: [APPLET], seed: "locked", now_ms: 0 });
    await running.stream.exchange(SELECT);
    await running.stop("kill");
  } catch (error) {
    if (error instanceof BoardGone) return;
    throw error;
  } finally {
    opened.close();
  }
  throw new Difference("the board opens a folder that the simulator has open");
}

/** How often one took over from the other. */
export async function checkFolders(board: PosixBoard, folder: string): Promise<number> {
  mkdirSync(folder, { recursive: true });
  let last: string | undefined;
  for (let turn = 0; turn < TURNS; turn++) {
    const running = await board.start({ folder, applets: [APPLET], seed: `turn ${turn}`, now_ms: 0 });
    let said: string;
    try {
      if (turn === 0) await beginLife(running);
      said = (await onBoard(running)).join();
      demandRefusal(folder);
    } finally {
      // A process that is gone holds nothing.
      await running.stop(turn % 2 === 0 ? "end" : "kill");
    }
    const simulated = inSimulator(folder, `turn ${turn}`).join();
    if (simulated !== said)
      throw new Difference(`a folder taken over: the board says ${said}, the simulator ${simulated}`);
    if (last !== undefined && last !== said) throw new Difference("a folder taken over: the element is another one");
    last = said;
  }
  await demandNoStart(board, folder);
  return 2 * TURNS;
}
