/** `tally` with chips on USB, as people use it: commands in processes of their own. */

import { cpSync } from "node:fs";
import { Desk, stepsOf } from "../support/typed-commands.js";
import type { Checks } from "./checks.js";
import { HOME } from "./machine.js";

/** In the guest, whose processor is emulated. */
const ANSWER_MS_MAX = 60_000;
const CHECK_MS_MAX = 180_000;

const TYPED = `
\`\`\`console usb
$ tally card start alice bob --usb
card 1: inserted: usb:alice
card 2: inserted: usb:bob
card 1: alice's agent, module, for usb:alice
card 2: bob's agent, module, for usb:bob
2 cards are ready. Ctrl-C ends it; --help says what can be typed.
\`\`\`

\`\`\`console
$ tally wallet buy alice "USD 20.00" --yes --device usb:alice
alice bought USD 20.00 at Alder Exchange; USD 20.20 were debited, 0.20 of it is the fee.
$ tally wallet pay alice bob "USD 5.00"
alice paid bob USD 5.00.
$ tally wallet balance bob --device bob
USD 5.00
$ tally apdu send --device usb:bob "SELECT money-module" "GET DATA information"
> SELECT money-module
< 6F … 90 00
> GET DATA information
< DF 01 … 90 00
\`\`\`
`;

export async function checkCommands(checks: Checks): Promise<void> {
  const commands = async () => {
    const desk = new Desk(ANSWER_MS_MAX);
    try {
      cpSync(HOME, desk.home, { recursive: true });
      await desk.type(stepsOf(TYPED));
    } finally {
      await desk.close();
    }
  };
  await checks.run("tally buys and pays with chips on USB", commands, CHECK_MS_MAX);
}
