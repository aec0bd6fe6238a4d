/** `tally wallet withdraw`, `deposit` and `refresh`: with the bank that issues the money. */

import { type Command, InvalidArgumentError } from "commander";
import { formatMoney, parseMoney } from "../units.js";
import { type OwnerOptions, outputFor, withWallet } from "./context.js";
import { moneyJson } from "./output.js";

interface BankOptions extends OwnerOptions {
  readonly account?: string;
}

export function addBankBusiness(wallet: Command): void {
  addTransfer(wallet, "withdraw", "take money out of an account at the bank");
  addTransfer(wallet, "deposit", "pay money into an account at the bank");
  addRefresh(wallet);
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

interface RefreshOptions extends OwnerOptions {
  readonly all?: boolean;
  readonly days?: number;
}

function addRefresh(wallet: Command): void {
  wallet
    .command("refresh")
    .description("have the bank renew notes that expire soon or have passed many hands")
    .argument("<owner>", "for example alice")
    .option("--all", "every note: small change comes back as few notes")
    .option("--days <number>", "notes that expire within so many days (default: 30)", daysNumber)
    .action(async (owner: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<RefreshOptions>();
      const { all, days } = options;
      const wanted = { ...(all === undefined ? {} : { all }), ...(days === undefined ? {} : { days }) };
      const done = await withWallet(options, owner, (opened) => opened.refresh(wanted));
      const renewed = done.filter(({ amount }) => amount > 0n);
      const lapsed = done.filter((each) => each.lapsed > 0n);
      const lines = [
        ...renewed.map(
          (each) =>
            `${formatMoney(each)} came back in fresh notes: ${each.notesBefore} notes are now ${each.notesAfter}.`,
        ),
        ...lapsed.map(
          ({ lapsed: amount, unit }) =>
            `${formatMoney({ amount, unit })} are in notes whose last day has come: no teller takes them any more.`,
        ),
      ];
      outputFor(options).result(
        {
          owner,
          refreshed: renewed.map(({ notesBefore, notesAfter, ...money }) => ({
            ...moneyJson(money),
            notesBefore,
            notesAfter,
          })),
        },
        lines.length > 0 ? lines : ["Every note is young enough: nothing had to be renewed."],
      );
    });
}

function daysNumber(text: string): number {
  const days = Number(text);
  if (/^\d{1,5}$/.test(text)) return days;
  throw new InvalidArgumentError("It is a whole number of days.");
}
