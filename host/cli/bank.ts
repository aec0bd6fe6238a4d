/** `tally bank`: the bank's counter, and its accounts. */

import type { Command } from "commander";
import { BankBooks } from "../services/bank-books.js";
import { currencyCode, formatMoney } from "../units.js";
import { serveBank } from "../world/serve.js";
import { type GlobalOptions, outputFor, withSite } from "./context.js";
import { moneyJson } from "./output.js";
import { listening, type PlaceOptions, placeOf, type Stop, tell, untilTold } from "./serving.js";

type ServeOptions = GlobalOptions & PlaceOptions;

export function addBank(program: Command): void {
  const bank = program.command("bank").description("the bank that issues the electronic money");
  listening(bank.command("serve"))
    .description("serve withdrawals and deposits until stopped")
    .action(async (_options: unknown, command: Command) => {
      await untilTold((stop) => serve(command.optsWithGlobals<ServeOptions>(), stop));
    });
  bank
    .command("account")
    .description(
      "what is on the accounts at the bank, and what copied notes have cost it; numbers are masked in a list",
    )
    .argument("[number]", "only this one, shown in full")
    .action(async (number: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const { accounts, losses } = await withSite(options, async (site) => {
        // Only read, so that a bank at work need not be waited for.
        const books = await BankBooks.open(site.parts.home.database("bank"), site.parts.clock);
        const deposits = await books.deposits(number);
        const shown = (account: string) => (number === undefined ? masked(account) : account);
        return {
          accounts: deposits.map((each) => ({ ...each, account: shown(each.account) })),
          losses: number === undefined ? await books.losses() : [],
        };
      });
      const lines = [
        ...accounts.map((each) => `${each.account.padEnd(16)} ${formatMoney(each).padStart(16)}`),
        ...losses.map((loss) => `${"lost by copies".padEnd(16)} ${formatMoney(loss).padStart(16)}  (tally proof list)`),
      ];
      outputFor(options).result(
        {
          accounts: accounts.map((each) => ({ account: each.account, ...moneyJson(each) })),
          fraudLoss: losses.map(moneyJson),
        },
        lines.length > 0 ? lines : ["There are no accounts."],
      );
    });
}

/** "al***40": enough to know one's own, too little to pay into it. */
function masked(account: string): string {
  return account.length <= 4 ? "***" : `${account.slice(0, 2)}***${account.slice(-2)}`;
}

async function serve(options: ServeOptions, stop: Stop): Promise<void> {
  const output = outputFor(options);
  await withSite(options, async (site) => {
    const served = await serveBank(site, placeOf(options), {
      onEvent: ({ kind, money }) => {
        tell(output, { event: kind, ...moneyJson(money) }, `${formatMoney(money)}: ${kind}.`);
      },
      onFinding: ({ number, kind, culprit, proof }) => {
        const listed = proof === undefined ? "there is no proof" : "it is on the bad-id list";
        const line = `A note came back more than once: module ${culprit} (${kind}); ${listed}. See: tally proof list ${number}`;
        tell(output, { event: "finding", number, kind, culprit, proved: proof !== undefined }, line);
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
  });
}
