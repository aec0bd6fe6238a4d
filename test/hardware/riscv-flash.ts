/** What only a board with flash in sectors has to keep (hardware/boards/riscv-virt). */

import { DEFAULT_GEOMETRY } from "../../simulator/flash.js";
import { callMessage, PLATFORM_ELEMENT, POWER_MESSAGE } from "./calls.js";
import { checkDriver } from "./cfi-driver.js";
import { checkCuts } from "./cuts.js";
import { erasesOf, isCollecting } from "./pages-reader.js";
import { PAGES_GEOMETRY, RiscvBoard } from "./riscv-board.js";
import { Difference } from "./session.js";
import { Draws } from "./sessions.js";

/** One that works, and two that rest, whose pages lie among its own and are moved with them. */
const ELEMENTS = [PLATFORM_ELEMENT, "resting", "resting too"];
const CUTS = 40;
const REGION_BYTES = DEFAULT_GEOMETRY.pageCount * DEFAULT_GEOMETRY.pageSizeBytes;
const WORD_BYTES = 4;
const FLASH_FAILURE = -3;

/** Sectors are collected with the power lost in the middle; a sentence about it. */
async function checkCollecting(image: string, folder: string): Promise<string> {
  const board = new RiscvBoard(image, ELEMENTS);
  const draws = new Draws("full");
  board.keepFlash(folder, new Map(ELEMENTS.map((name) => [name, draws.bytes(REGION_BYTES)])));
  let collecting = 0;
  const operations = await checkCuts(board, folder, ELEMENTS, CUTS, () => {
    if (isCollecting(board.flash(folder), PAGES_GEOMETRY)) collecting += 1;
  });
  if (collecting === 0) throw new Difference("no loss of power fell into the collecting of a sector");
  const erases = erasesOf(board.flash(folder), PAGES_GEOMETRY);
  return `losses of power: ${CUTS}, ${collecting} of them while a sector was collected; ${operations} operations, sectors erased ${erases.join(", ")} times`;
}

/** Flash that says that it failed is believed. */
async function checkFailing(image: string, folder: string): Promise<void> {
  const calls: readonly (readonly [RiscvBoard, number])[] = [
    [new RiscvBoard(image, ELEMENTS), 0],
    [new RiscvBoard(image, ELEMENTS, true), FLASH_FAILURE],
  ];
  for (const [i, [board, expected]] of calls.entries()) {
    const running = await board.start({ folder, applets: [PLATFORM_ELEMENT], seed: "failing", now_ms: 0 });
    try {
      await running.stream.exchange(POWER_MESSAGE);
      // In one page, whose place the first has found.
      const message = callMessage("flash_program", i * WORD_BYTES, 0, WORD_BYTES);
      const answer = await running.stream.exchange(message);
      const result = new DataView(answer.buffer, answer.byteOffset + 1, 4).getInt32(0, true);
      if (result !== expected) throw new Difference(`flash that ${i === 0 ? "works" : "fails"} answers ${result}`);
    } finally {
      await running.stop("kill");
    }
  }
}

export async function checkFlash(root: string, image: string, folder: string): Promise<string> {
  checkDriver(root);
  await checkFailing(image, `${folder}-failing`);
  return checkCollecting(image, folder);
}
