/** `tally wallet`: what a person does with electronic money. */

import type { Command } from "commander";
import { LOG_RECEIVED, LOG_SENT, OUTCOME_COMMITTED } from "../../firmware/protocol/messages.js";
import { toHex } from "../codec/bytes.js";
import type { LogEntry } from "../element-data.js";
import { reasonSentence } from "../reasons.js";
import { formatMoney } from "../units.js";
import { type OwnerOptions, outputFor, withWallet } from "./context.js";
import { moneyJson } from "./output.js";
import { addBankBusiness } from "./wallet-bank.js";
import { addPayments } from "./wallet-pay.js";
import { addPending, addResume } from "./wallet-resume.js";
import { addTrade } from "./wallet-trade.js";

export function addWallet(program: Command): void {
  const wallet = program
    .command("wallet")
    .description("hold, buy, sell and pay electronic money")
    .option("--pin <digits>", "the owner's PIN (default: $TALLY_PIN, or the one that the home keeps)")
    .option("--directory <url>", "the merchants' directory, for a wallet in a home of its own");
  addBalance(wallet);
  addTrade(wallet, "buy", "buy electronic money with a bank card, from the cheapest merchant");
  addTrade(wallet, "sell", "sell electronic money into the account of a bank card");
  addPayments(wallet);
  addBankBusiness(wallet);
  addPending(wallet);
  addResume(wallet);
  addLog(wallet);
}

function addBalance(wallet: Command): void {
  wallet
    .command("balance")
    .description("what a wallet holds")
    .argument("<owner>", "for example alice")
    .action(async (owner: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions>();
      const balances = await withWallet(options, owner, (opened) => opened.balances());
      const parts = balances.map(({ unit, spendable, offered, inDoubt }) => ({
        spendable: { amount: spendable, unit },
        offered: { amount: offered, unit },
        inDoubt: { amount: inDoubt, unit },
      }));
      const value = parts.map((part) => ({
        currency: moneyJson(part.spendable).currency,
        spendable: moneyJson(part.spendable).amount,
        offered: moneyJson(part.offered).amount,
        inDoubt: moneyJson(part.inDoubt).amount,
      }));
      const lines = parts.map((part) => {
        const doubt = part.inDoubt.amount > 0n ? `, ${formatMoney(part.inDoubt)} in doubt: resume with the payer` : "";
        return `${formatMoney(part.spendable)}${doubt}`;
      });
      outputFor(options).result({ owner, balances: value }, lines.length > 0 ? lines : ["The wallet is empty."]);
    });
}

const LOG_KINDS: ReadonlyMap<number, string> = new Map([
  [LOG_SENT, "sent"],
  [LOG_RECEIVED, "received"],
]);

function addLog(wallet: Command): void {
  wallet
    .command("log")
    .description("the last transactions of a wallet, newest first")
    .argument("<owner>", "for example alice")
    .action(async (owner: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions>();
      const log = await withWallet(options, owner, (opened) => opened.log());
      const lines = log.map(lineOf);
      outputFor(options).result(
        { owner, log: log.map(entryOf) },
        lines.length > 0 ? lines : ["Nothing has happened yet."],
      );
    });
}

function entryOf(entry: LogEntry) {
  return {
    sequence: entry.sequence,
    date: new Date(entry.date_seconds * 1000).toISOString(),
    kind: LOG_KINDS.get(entry.kind) ?? `kind ${entry.kind}`,
    ...moneyJson(entry.money),
    peer: toHex(entry.peer),
    payId: toHex(entry.payId),
    outcome: entry.outcome === OUTCOME_COMMITTED ? "done" : "aborted",
  };
}

/** "2026-11-26 09:15  + USD 5.00       from 1f3a9c04", in the reader's own time. */
function lineOf(entry: LogEntry): string {
  const { kind, outcome } = entryOf(entry);
  const isIn = kind === "received";
  const date = new Date(entry.date_seconds * 1000);
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString();
  const when = `${local.slice(0, 10)} ${local.slice(11, 16)}`;
  const sign = outcome === "done" ? (isIn ? "+" : "-") : " ";
  const who = `${isIn ? "from" : "to"} ${toHex(entry.peer).slice(0, 8)}`;
  const why = outcome === "done" ? "" : `  not done: ${reasonSentence(entry.detail)}`;
  return `${when}  ${sign} ${formatMoney(entry.money).padEnd(14)} ${who}${why}`;
}
