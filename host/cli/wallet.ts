/** `tally wallet`: what a person does with electronic money. */

import type { Command } from "commander";
import { toHex } from "../codec/bytes.js";
import { reasonSentence } from "../reasons.js";
import { formatMoney } from "../units.js";
import type { HistoryEntry } from "../wallet/wallet.js";
import { type OwnerOptions, outputFor, pinDigits, withDevice, withWallet } from "./context.js";
import { moneyJson } from "./output.js";
import { addBankBusiness } from "./wallet-bank.js";
import { addLimit } from "./wallet-limit.js";
import { addPayments } from "./wallet-pay.js";
import { addPending, addResume } from "./wallet-resume.js";
import { addTrade } from "./wallet-trade.js";

export function addWallet(program: Command): void {
  const wallet = program
    .command("wallet")
    .description("hold, buy, sell and pay electronic money")
    .option("--pin <digits>", "the owner's PIN (default: $TALLY_PIN, or the one that the home keeps)", pinDigits)
    .option("--directory <url>", "the merchants' directory, for a wallet in a home of its own");
  withDevice(wallet);
  addBalance(wallet);
  addTrade(wallet, "buy", "buy electronic money with a bank card, from the cheapest merchant");
  addTrade(wallet, "sell", "sell electronic money into the account of a bank card");
  addPayments(wallet);
  addBankBusiness(wallet);
  addLimit(wallet);
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

function addLog(wallet: Command): void {
  wallet
    .command("log")
    .description("the last transactions of a wallet, newest first")
    .argument("<owner>", "for example alice")
    .action(async (owner: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions>();
      const history = await withWallet(options, owner, (opened) => opened.history());
      const lines = history.map(lineOf);
      outputFor(options).result(
        { owner, log: history.map(entryJson) },
        lines.length > 0 ? lines : ["Nothing has happened yet."],
      );
    });
}

function entryJson(entry: HistoryEntry) {
  return {
    sequence: entry.sequence,
    date: dateOf(entry).toISOString(),
    action: entry.action,
    ...moneyJson(entry.money),
    peer: toHex(entry.peer),
    peerName: entry.peerName ?? null,
    payId: toHex(entry.payId),
    outcome: entry.isDone ? "done" : "aborted",
  };
}

/** "2026-11-26 09:15  + USD 20.00      bought from Alder Exchange", in the reader's own time. */
function lineOf(entry: HistoryEntry): string {
  const date = dateOf(entry);
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString();
  const when = `${local.slice(0, 10)} ${local.slice(11, 16)}`;
  const isIn = entry.action === "bought" || entry.action === "received";
  const sign = entry.isDone ? (isIn ? "+" : "-") : " ";
  const who = `${entry.action} ${isIn ? "from" : "to"} ${entry.peerName ?? toHex(entry.peer).slice(0, 8)}`;
  const why = entry.isDone ? "" : `: not done. ${reasonSentence(entry.detail)}`;
  return `${when}  ${sign} ${formatMoney(entry.money).padEnd(14)} ${who}${why}`;
}

function dateOf({ date_seconds }: HistoryEntry): Date {
  return new Date(date_seconds * 1000);
}
