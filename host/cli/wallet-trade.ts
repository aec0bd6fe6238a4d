/** `tally wallet buy` and `sell`: with a merchant, against a bank card (WO 96/41315 fig. 7). */

import type { Command } from "commander";
import { TYPE_PURCHASE } from "../../firmware/protocol/messages.js";
import type { ReceiptFields } from "../notices.js";
import type { Quote } from "../services/directory.js";
import { formatDecimal, formatMoney, parseMoney } from "../units.js";
import { isAsQuoted, type TradePrompts } from "../wallet/wallet.js";
import { confirmed } from "./confirm.js";
import { type OwnerOptions, outputFor, withWallet } from "./context.js";
import { EXIT_OPEN, moneyJson } from "./output.js";

interface TradeOptions extends OwnerOptions {
  readonly merchant?: string;
  readonly yes?: boolean;
}

export function addTrade(wallet: Command, direction: "buy" | "sell", description: string): void {
  wallet
    .command(direction)
    .description(description)
    .argument("<owner>", "for example alice")
    .argument("<amount>", 'for example "USD 20.00"')
    .option("--merchant <name>", "a merchant by name, instead of the cheapest")
    .option("--yes", "agree to merchant and receipt without being asked, if they are as the directory says")
    .action(async (owner: string, text: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<TradeOptions>();
      const money = parseMoney(text);
      const trade = await withWallet(options, owner, (opened) => {
        const prompts = options.yes === true ? agreeOrSay() : PROMPTS;
        return direction === "buy"
          ? opened.buy(money, prompts, options.merchant)
          : opened.sell(money, prompts, options.merchant);
      });
      const { authorization, fee } = trade.receipt;
      const feeText = formatDecimal(fee, authorization.unit.exponent);
      const verb = direction === "buy" ? "bought" : "sold";
      const account = `${formatMoney(authorization)} were ${direction === "buy" ? "debited" : "credited"}`;
      const line = `${owner} ${verb} ${formatMoney(money)} at ${trade.merchant}; ${account}, ${feeText} of it is the fee.`;
      const doubt =
        `The connection broke at the last step, so it is not known yet whether ${formatMoney(money)} were ${verb} and ` +
        `${account}, or nothing happened at all. Both are kept safe. Settle it with: tally wallet resume ${owner}`;
      outputFor(options).result(
        {
          owner,
          merchant: trade.merchant,
          money: moneyJson(money),
          account: moneyJson(authorization),
          fee: feeText,
          provisional: trade.provisional,
        },
        trade.provisional ? [doubt] : [line],
      );
      if (trade.provisional) process.exitCode = EXIT_OPEN;
    });
}

const PROMPTS: TradePrompts = {
  confirmMerchant: (name, { merchant }) =>
    confirmed(
      name === merchant.name ? `Deal with ${name}?` : `The directory said ${merchant.name}. Deal with ${name} instead?`,
    ),
  confirmReceipt: (receipt, quote) => confirmed(questionOf(receipt, quote)),
};

function questionOf(receipt: ReceiptFields, quote: Quote): string {
  const verb = receipt.type === TYPE_PURCHASE ? "debited" : "credited";
  const cost = `${formatMoney(receipt.authorization)} are ${verb} on ${receipt.account}`;
  const promised = formatMoney({ amount: quote.authorization, unit: quote.offer.account });
  const lie = isAsQuoted(receipt, quote) ? "" : `, where the directory promised ${promised}`;
  return `${formatMoney(receipt.money)}: ${cost}${lie}?`;
}

/** The merchant or its receipt is not what the directory said, and nobody is there to ask. */
export class NotAsQuotedError extends Error {
  constructor(what: string) {
    super(`${what} With --yes only what the directory promised is agreed to, so no money moved. Run it without --yes.`);
    this.name = "NotAsQuotedError";
  }
}

/** Agrees to what the directory said, and says what was different before it refuses. */
function agreeOrSay(): TradePrompts {
  return {
    confirmMerchant: (name, quote) => {
      if (name === quote.merchant.name) return true;
      throw new NotAsQuotedError(`The directory said ${quote.merchant.name}, and ${name} answers there.`);
    },
    confirmReceipt: (receipt, quote) => {
      if (isAsQuoted(receipt, quote)) return true;
      throw new NotAsQuotedError(`${questionOf(receipt, quote).slice(0, -1)}.`);
    },
  };
}
