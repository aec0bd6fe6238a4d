/** `tally wallet pending` and `resume`: shows and settles what a broken connection left open. */

import type { Command } from "commander";
import { toHex } from "../codec/bytes.js";
import { formatMoney } from "../units.js";
import type { Contact } from "../wallet/counterparties.js";
import type { OpenTransaction } from "../wallet/wallet.js";
import { type OwnerOptions, outputFor, withWallet } from "./context.js";
import { EXIT_FAILED, EXIT_OPEN, moneyJson } from "./output.js";
import { requireTwo } from "./wallet-pay.js";

export function addPending(wallet: Command): void {
  wallet
    .command("pending")
    .description("payments whose end is not known yet on both sides")
    .argument("<owner>", "for example alice")
    .action(async (owner: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions>();
      const open = await withWallet(options, owner, (opened) => opened.pending());
      const lines = open.map((pending) => `${sentenceOf(pending)} Settle it with: tally wallet resume ${owner}`);
      outputFor(options).result(
        { owner, pending: open.map(pendingJson) },
        lines.length > 0 ? lines : ["Nothing is open."],
      );
    });
}

function pendingJson({ state, money, peer, payId, contact }: OpenTransaction) {
  return { state, ...moneyJson(money), peer: toHex(peer), payId: toHex(payId), contact: contact ?? null };
}

function sentenceOf({ state, money, contact }: OpenTransaction): string {
  const amount = formatMoney(money);
  const where = whereIs(contact);
  if (state === "in doubt") return `${amount} from ${where}: not known yet whether they were paid.`;
  if (state === "committed") return `${amount} to ${where}: paid, and not confirmed yet.`;
  return `${amount} to ${where}: offered, not paid.`;
}

export function addResume(wallet: Command): void {
  wallet
    .command("resume")
    .description("settle what a broken connection left open: with merchants, the bank, other wallets")
    .argument("<owner>", "who paid, or who dealt with a merchant or the bank")
    .argument("[other]", "where the other wallet waits now, `tally wallet receive` says it: an address, or a name")
    .action(async (owner: string, other: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<OwnerOptions>();
      if (other !== undefined) requireTwo(owner, other);
      const { committed, aborted, open, unheard } = await withWallet(options, owner, (opened) => opened.resume(other));
      const nothing = open.length === 0 ? "There was nothing to settle" : "Nothing could be settled";
      const settled = committed + aborted === 0 ? nothing : `${committed} stand, ${aborted} were undone`;
      const left = open.map(
        ({ pending, why }) => `${sentenceOf(pending)} ${why?.message ?? adviceFor(pending.contact)}`,
      );
      const told = unheard === undefined ? [] : [`Whoever the last business was with was not met: ${unheard.message}`];
      outputFor(options).result(
        {
          owner,
          committed,
          aborted,
          open: open.map(({ pending }) => pendingJson(pending)),
          unheard: unheard?.message ?? null,
        },
        [`${settled}; ${open.length} are still open.`, ...left, ...told],
      );
      if (open.length > 0) process.exitCode = EXIT_OPEN;
      else if (unheard !== undefined) process.exitCode = EXIT_FAILED;
    });
}

function whereIs(contact: Contact | undefined): string {
  if (contact === undefined) return "somebody whose address is not known here";
  if (contact.kind === "bank") return "the bank";
  return contact.kind === "merchant" ? "a merchant" : `the wallet at ${contact.address}`;
}

function adviceFor(contact: Contact | undefined): string {
  if (contact !== undefined && contact.kind !== "wallet") return "Try again later.";
  return "Ask its owner to run: tally wallet receive, and give the address that it prints.";
}
