/** `tally card`: simulated chips as cards in readers, what a machine needs for that, and readers to try it with. */

import type { Command } from "commander";
import { addCardDoctor } from "./card-doctor.js";
import { addCardLab } from "./card-lab.js";
import { addCardStart } from "./card-start.js";

export function addCard(program: Command): void {
  const card = program.command("card").description("simulated chips as cards in readers");
  addCardStart(card);
  addCardDoctor(card);
  addCardLab(card);
}
