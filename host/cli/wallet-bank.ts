/** `tally wallet withdraw` and `deposit`: with the bank that issues the money. */

import type { Command } from "commander";
import { formatMoney, parseMoney } from "../units.js";
import { type OwnerOptions, outputFor, withWallet } from "./context.js";
import { moneyJson } from "./output.js";

interface BankOptions extends OwnerOptions {
  readonly account?: string;
}

export function addBankBusiness(wallet: Command): void {
  addTransfer(wallet, "withdraw", "take money out of an account at the bank");
  addTransfer(wallet, "deposit", "pay money into an account at the bank");
}

function addTransfer(wallet: Command, direction: "withdraw" | "deposit", description: string): void {
  wallet
    .command(direction)
    .description(description)
    .argument("<owner>", "for example alice")
    .argument("<amount>", 'for example "USD 20.00"')
    .option("--account <number>", "a number from `tally bank account` (default: the owner's, in this currency)")
    .action(async (owner: string, text: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<BankOptions>();
      const money = parseMoney(text);
      await withWallet(options, owner, (opened) => opened[direction](money, options.account));
      const did = direction === "withdraw" ? "withdrew" : "deposited";
      outputFor(options).result({ owner, money: moneyJson(money) }, [`${owner} ${did} ${formatMoney(money)}.`]);
    });
}
