/** `tally wallet pay`, `request` and `receive`: from wallet to wallet, without any bank or network. */

import type { Command } from "commander";
import { MEMO_BYTES_MAX } from "../../firmware/protocol/limits.js";
import { memoText, type Transfer } from "../applications/transfer.js";
import { toHex } from "../codec/bytes.js";
import { parsePaymentRequest, qrText } from "../payment-request.js";
import { TransportError } from "../transport.js";
import { formatMoney, type Money, parseMoney } from "../units.js";
import type { Reception, ReceptionOptions } from "../wallet/reception.js";
import type { Wallet } from "../wallet/wallet.js";
import { confirmed } from "./confirm.js";
import { type OwnerOptions, outputFor, withWallet } from "./context.js";
import { explain } from "./failure.js";
import { EXIT_INTERRUPTED, moneyJson, type Output, printable } from "./output.js";
import { listening, type PlaceOptions, placeOf, type Stop, tell, untilTold } from "./serving.js";

export function addPayments(wallet: Command): void {
  addPay(wallet);
  addRequest(wallet);
  addReceive(wallet);
}

export function requireTwo(one: string, other: string): void {
  if (one === other) throw new Error(`${one} cannot deal with itself. No money moved. Name two different owners.`);
}

function requireShort(memo: string): void {
  if (new TextEncoder().encode(memo).length <= MEMO_BYTES_MAX) return;
  throw new Error(`The memo has more than ${MEMO_BYTES_MAX} bytes. No money moved. Shorten it.`);
}

// Paying.

interface PayOptions extends OwnerOptions {
  readonly memo?: string;
  readonly yes?: boolean;
}

function addPay(wallet: Command): void {
  wallet
    .command("pay")
    .description("pay another wallet: a request that it made, or an amount that you name")
    .argument("<from>", "who pays")
    .argument("<to>", "a payment request (tally:pay?...), the address where a wallet waits, or a name of this home")
    .argument("[amount]", 'for example "USD 5.00"; a request says it itself')
    .option("--memo <text>", "what it is for")
    .option("--yes", "pay a request without being asked")
    .action(async (from: string, to: string, text: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<PayOptions>();
      const paid = to.startsWith("tally:")
        ? await payRequest(from, to, text, options)
        : await payTo(from, to, text, options);
      outputFor(options).result(
        { from, to, money: moneyJson(paid.money), payId: toHex(paid.payId), confirmed: paid.confirmed },
        [
          `${from} paid ${to.startsWith("tally:") ? "the request" : to} ${formatMoney(paid.money)}.`,
          ...(paid.confirmed
            ? []
            : ["The payee has not confirmed yet; the payment stands. Resume when you meet again."]),
        ],
      );
    });
}

async function payTo(from: string, to: string, text: string | undefined, options: PayOptions): Promise<Transfer> {
  if (text === undefined) throw new Error('Say how much, for example "USD 5.00". No money moved.');
  const money = parseMoney(text);
  requireShort(options.memo ?? "");
  requireTwo(from, to);
  return withWallet(options, from, (wallet) => wallet.pay(to, money, options.memo));
}

async function payRequest(from: string, uri: string, text: string | undefined, options: PayOptions): Promise<Transfer> {
  if (text !== undefined || options.memo !== undefined) {
    throw new Error("A payment request says its amount and purpose itself. No money moved. Leave yours away.");
  }
  const request = parsePaymentRequest(uri);
  return withWallet(options, from, async (wallet) => {
    const purpose = request.memo === undefined ? "" : ` for "${request.memo}"`;
    const question = `Pay ${formatMoney(request.money)}${purpose} to ${toHex(request.payee)}?`;
    if (options.yes !== true && !(await confirmed(question))) throw new Error("Not paid. No money moved.");
    return wallet.payRequest(request);
  });
}

// Being paid.

interface ReceiveOptions extends OwnerOptions, PlaceOptions {
  readonly memo?: string;
  readonly qr?: boolean;
  readonly once?: boolean;
}

function addRequest(wallet: Command): void {
  listening(wallet.command("request"))
    .description("ask to be paid an amount, and wait for it: as text to copy and as a QR code to scan")
    .argument("<owner>", "who is paid")
    .argument("<amount>", 'for example "USD 5.00"')
    .option("--memo <text>", "what it is for")
    .option("--no-qr", "without the QR code")
    .action(async (owner: string, text: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ReceiveOptions>();
      const money = parseMoney(text);
      requireShort(options.memo ?? "");
      await withWallet(options, owner, (opened) => untilTold((stop) => waitForRequest(opened, money, stop, options)));
    });
}

function addReceive(wallet: Command): void {
  listening(wallet.command("receive"))
    .description("wait for payments, and for payers that come back to settle what broke off, until stopped")
    .argument("<owner>", "who is paid")
    .option("--once", "end after the first payment or settlement")
    .action(async (owner: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ReceiveOptions>();
      await withWallet(options, owner, (opened) => untilTold((stop) => waitForPayers(opened, stop, options)));
    });
}

function receptionOptions({ memo, ...options }: ReceiveOptions): ReceptionOptions {
  return {
    ...placeOf(options),
    ...(memo === undefined ? {} : { memo }),
  };
}

async function waitForRequest(wallet: Wallet, money: Money, stop: Stop, options: ReceiveOptions): Promise<void> {
  const output = outputFor(options);
  const reception = await wallet.request(money, receptionOptions(options));
  try {
    const { uri = "" } = reception;
    const qr = options.qr === false || output.json ? [] : [qrText(uri)];
    output.result({ event: "ready", uri, address: reception.address }, [
      ...qr,
      uri,
      `Waiting to be paid ${formatMoney(money)}. Ctrl-C ends it.`,
    ]);
    watch(reception, output);
    const paid = await Promise.race([reception.paid, stop.told, faultOf(reception, output)]);
    if (paid === undefined) {
      output.say("Nobody has paid.");
      process.exitCode = EXIT_INTERRUPTED;
    }
  } finally {
    await reception.close();
    stop.over();
  }
}

async function waitForPayers(wallet: Wallet, stop: Stop, options: ReceiveOptions): Promise<void> {
  const output = outputFor(options);
  const reception = await wallet.receive(receptionOptions(options));
  try {
    const { address } = reception;
    output.result({ event: "ready", address }, [`Waiting for payers at ${address}. Ctrl-C ends it.`]);
    watch(reception, output);
    const first = new Promise<void>((resolve) => {
      if (options.once !== true) return;
      reception.once("paid", () => resolve());
      reception.once("settled", () => resolve());
    });
    await Promise.race([first, stop.told, faultOf(reception, output)]);
  } finally {
    await reception.close();
    stop.over();
  }
}

/** A wallet whose card is gone takes no payment any more, and must not look as if it did. Any other fault is only said. */
function faultOf(reception: Reception, output: Output): Promise<never> {
  return new Promise((_resolve, reject) => {
    reception.on("fault", (error) => {
      if (error instanceof TransportError) reject(error);
      else tell(output, { event: "fault", message: error.message }, explain(error));
    });
  });
}

function watch(reception: Reception, output: Output): void {
  reception.on("paid", ({ money, memo, peer, payId }) => {
    const text = memoText(memo);
    const purpose = text === "" ? "" : ` for "${printable(text)}"`;
    const event = { event: "paid", ...moneyJson(money), memo: text, peer: toHex(peer), payId: toHex(payId) };
    tell(output, event, `Received ${formatMoney(money)}${purpose} from ${toHex(peer).slice(0, 8)}.`);
  });
  reception.on("refused", (error) => {
    tell(output, { event: "refused", message: error.message }, `A payer came and did not pay: ${error.message}`);
  });
  reception.on("doubt", (error) => {
    const wait =
      "This request may still be paid by that payer, and by nobody else. To be paid by another, end this and make a new one.";
    tell(output, { event: "doubt", message: error.message }, `${error.message} ${wait}`);
  });
  reception.on("settled", ({ committed, aborted, open }) => {
    const line = `A payer came back: ${committed} stand, ${aborted} were undone, ${open} are still open.`;
    tell(output, { event: "settled", committed, aborted, open }, line);
  });
}
