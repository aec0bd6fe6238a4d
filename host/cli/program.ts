/** `tally`: the command line. Nothing here but commands; what they do is in the library. */

import { Command, CommanderError, InvalidArgumentError } from "commander";
import { addApdu } from "./apdu.js";
import { addBank } from "./bank.js";
import { addCard } from "./card.js";
import { addCompletion } from "./completion.js";
import { addDemo } from "./demo.js";
import { addDevice } from "./device.js";
import { exitCodeOf, explain, failureJson } from "./failure.js";
import { addInit } from "./init.js";
import { addMerchant } from "./merchant.js";
import { addMint } from "./mint.js";
import { addNetwork } from "./network.js";
import { EXIT_USAGE, printable } from "./output.js";
import { addProof } from "./proof.js";
import { addSeller } from "./seller.js";
import { addTokens } from "./tokens.js";
import { addWallet } from "./wallet.js";

const AFTERWORD = `
Every command takes --home and --json.
Exit codes: 0 done; 1 refused or failed; 2 not understood; 3 needs --yes; 4 open, to be resumed; 130 interrupted;
137 ended, as the system does it, because a card reader never answered.`;

export function programOf(): Command {
  const program = new Command("tally")
    .description("electronic cash in tamper-proof chips")
    .option("--home <folder>", "where chips and books are kept (default: $TALLY_HOME or ~/.tallystick)", folderName)
    .option("--json", "results as one line of JSON")
    .addHelpText("afterAll", AFTERWORD)
    .showHelpAfterError("Nothing was done. (add --help for how to use it)")
    .exitOverride();
  addInit(program);
  addDemo(program);
  addDevice(program);
  addCard(program);
  addWallet(program);
  addMerchant(program);
  addBank(program);
  addNetwork(program);
  addTokens(program);
  addSeller(program);
  addMint(program);
  addProof(program);
  addApdu(program);
  addCompletion(program);
  return program;
}

/** An empty name, of an unset variable perhaps, would mean the folder one happens to be in. */
function folderName(text: string): string {
  if (text === "") throw new InvalidArgumentError("It is empty.");
  return text;
}

/** Runs one command and gives its exit code. */
export async function run(words: readonly string[]): Promise<number> {
  try {
    await programOf().parseAsync(words, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    if (process.env.TALLY_TRACE !== undefined) console.error(error);
    // Readers, devices and peers are called what they say.
    else process.stderr.write(`${explain(error).split("\n").map(printable).join("\n")}\n`);
    if (words.includes("--json")) process.stdout.write(`${JSON.stringify({ error: failureJson(error) })}\n`);
    return exitCodeOf(error);
  }
}
