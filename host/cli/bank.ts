/** `tally bank`: the bank's counter, and its accounts. */

import type { Command } from "commander";
import { BankBooks } from "../services/bank-books.js";
import { currencyCode, formatMoney } from "../units.js";
import { serveBank } from "../world/serve.js";
import { type GlobalOptions, outputFor, withSite } from "./context.js";
import { moneyJson } from "./output.js";
import { type PlaceOptions, placeOf, portNumber, tell, untilStopped } from "./serving.js";

type ServeOptions = GlobalOptions & PlaceOptions;

export function addBank(program: Command): void {
  const bank = program.command("bank").description("the bank that issues the electronic money");
  bank
    .command("serve")
    .description("serve withdrawals and deposits until stopped")
    .option("--port <number>", "port to listen at (default: any)", portNumber)
    .option("--host <address>", "interface to listen at (default: 127.0.0.1)")
    .action(async (_options: unknown, command: Command) => serve(command.optsWithGlobals<ServeOptions>()));
  bank
    .command("account")
    .description("what is on the accounts at the bank, as the bank sees them")
    .argument("[number]", "only this one")
    .action(async (number: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const accounts = await withSite(options, async (site) => {
        // Only read, so that a bank at work need not be waited for.
        const books = await BankBooks.open(site.parts.home.database("bank"), site.parts.clock);
        return books.deposits(number);
      });
      const lines = accounts.map((each) => `${each.account.padEnd(16)} ${formatMoney(each).padStart(16)}`);
      outputFor(options).result(
        { accounts: accounts.map((each) => ({ account: each.account, ...moneyJson(each) })) },
        lines.length > 0 ? lines : ["There are no accounts."],
      );
    });
}

async function serve(options: ServeOptions): Promise<void> {
  const output = outputFor(options);
  await untilStopped((stop) =>
    withSite(options, async (site) => {
      const served = await serveBank(site, placeOf(options), {
        onEvent: ({ kind, money }) => {
          tell(output, { event: kind, ...moneyJson(money) }, `${formatMoney(money)}: ${kind}.`);
        },
        onFault: (error) => {
          const message = error instanceof Error ? error.message : String(error);
          tell(output, { event: "failed", message }, `A customer was not served: ${message}`);
        },
      });
      const currencies = [...new Set((await served.bank.books.deposits()).map(({ unit }) => currencyCode(unit)))];
      const ready = `The bank serves at ${served.url}, in ${currencies.join(" and ")}. Ctrl-C ends it.`;
      tell(output, { event: "ready", url: served.url }, ready);
      await stop.told;
      output.say("Ending: whoever is at the counter is served to the end.");
      await served.close();
    }),
  );
}
