#!/usr/bin/env node
/** `tally`, started. */

import { isMonitorStuck } from "../cards/pcsc-monitor.js";
import { isReaderStuck } from "../transports/pcsc.js";
import { powerOffSerialCards } from "../transports/serial.js";
import { EXIT_FAILED, EXIT_INTERRUPTED } from "./output.js";
import { run } from "./program.js";
import { SIGNALS, stopGently } from "./serving.js";

const WHAT_NOW = 'Run "tally audit" to see where the money is, and "tally wallet resume" if a payment is open.';

/** While a thread waits for a reader that never answers no process ends in another way. */
function endAtOnce(): void {
  const kill = () => process.kill(process.pid, "SIGKILL");
  process.stdout.write("", () => process.stderr.write("", kill));
}

function end(message: string, exitCode: number): void {
  process.stderr.write(`${message}\n`);
  void powerOffSerialCards().then(() => {
    if (isReaderStuck()) endAtOnce();
    else process.exit(exitCode);
  });
}

// Books, chips and keys are for their owner alone, wherever they are copied to.
process.umask(0o077);
for (const signal of SIGNALS) {
  process.on(signal, () => {
    if (!stopGently()) end(`Interrupted. No money is lost. ${WHAT_NOW}`, EXIT_INTERRUPTED);
  });
}
// Whoever read the output may be gone. The command goes on all the same: it may be in the middle of a payment.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
// Node would end without a word when a command waits for what can never come.
const stuck = () => end(`The command waits for an answer that cannot come. No money is lost. ${WHAT_NOW}`, EXIT_FAILED);
process.once("beforeExit", stuck);

process.exitCode = await run(process.argv.slice(2));
process.removeListener("beforeExit", stuck);
if (isReaderStuck()) endAtOnce();
else if (isMonitorStuck()) process.exit();
