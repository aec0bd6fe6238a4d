/** `tally apdu`: the commands of a chip, one by one: sent, recorded, replayed, decoded (docs/APDU.md, docs/READERS.md). */

import type { Command } from "commander";
import { addDecode } from "./apdu-decode.js";
import { addInteractive } from "./apdu-interactive.js";
import { addRun } from "./apdu-run.js";
import type { TargetSources } from "./apdu-target.js";

const AFTERWORD = `
Exit codes: 0 all as expected; 1 an answer that was not, or the card refused; 2 not understood.
TALLY_RECORD=<file> records what any of these commands sends and is answered.
PIN and PUK are best given as {pin} and {puk}: from TALLY_PIN, TALLY_PUK, --set, or typed.`;

/** `sources`: where cards are looked for beside the home. */
export function addApdu(program: Command, sources: TargetSources = {}): void {
  const apdu = program.command("apdu").description("the commands of a chip, one by one");
  apdu.addHelpText("after", AFTERWORD);
  addRun(apdu, sources);
  addInteractive(apdu, sources);
  addDecode(apdu);
}
