/** `tally apdu decode` and `explain`: what bytes and numbers mean. No card is needed. */

import { readFileSync, statSync } from "node:fs";
import { Argument, type Command, Option } from "commander";
import { encodeCommand } from "../apdu.js";
import { BYTES_KINDS, type BytesKind, decodeAs, decodeFound } from "../apdu-tools/decode.js";
import { appletAfter, decodeCommandApdu, decodeResponseApdu } from "../apdu-tools/decode-apdu.js";
import { helpFor } from "../apdu-tools/help.js";
import { bytesOfHex } from "../apdu-tools/names.js";
import { hasFault, linesOf, type Step, step } from "../apdu-tools/outline.js";
import { filledIn, orElse, parseSession, printItem, SessionError, type SessionItem } from "../apdu-tools/session.js";
import { parseSymbolic } from "../apdu-tools/symbolic.js";
import { APPLET_NAMES, type AppletName } from "../applets.js";
import { printable } from "../printable.js";
import { readSession } from "./apdu-run.js";
import { type GlobalOptions, outputFor } from "./context.js";
import { EXIT_FAILED } from "./output.js";

interface DecodeOptions extends GlobalOptions {
  readonly as?: BytesKind;
  readonly applet?: AppletName;
  readonly secrets?: boolean;
}

interface Context {
  readonly secrets: boolean;
  readonly applet?: AppletName;
}

export function addDecode(apdu: Command): void {
  apdu
    .command("decode")
    .description(
      "what bytes mean: an APDU, an answer, an envelope, BER-TLV, CBOR, a certificate, an ATR; or a whole session",
    )
    .argument("<hex-or-file...>", "hexadecimal, a file, or - for the input")
    .addOption(new Option("--as <kind>", "what it is (default: what fits best)").choices(BYTES_KINDS))
    .addOption(new Option("--applet <name>", "who says or hears it").choices(APPLET_NAMES))
    .option("--secrets", "show PIN, PUK and keys")
    .action((words: readonly string[], _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<DecodeOptions>();
      const steps = orElse("Nothing was decoded.", () => decodeWords(words, options));
      outputFor(options).result(
        steps.length === 1 ? steps[0] : steps,
        steps.flatMap((each) => linesOf(each)),
      );
      if (steps.some(hasFault)) process.exitCode = EXIT_FAILED;
    });
  apdu
    .command("explain")
    .description("what a status word (6982), an instruction (CA), a tag (DF10), a reason (123) or a command means")
    .addArgument(new Argument("<what...>", "a number in hexadecimal, or a name"))
    .action((words: readonly string[], _options: unknown, command: Command) => {
      const text = words.join(" ");
      const lines = helpFor(text);
      if (lines === undefined) {
        throw new SessionError(`Nothing is known of "${text}": no status word, instruction, tag, reason or command.`);
      }
      outputFor(command.optsWithGlobals<GlobalOptions>()).result({ what: text, lines }, lines);
    });
}

function decodeWords(words: readonly string[], options: DecodeOptions): Step[] {
  const context = {
    secrets: options.secrets === true,
    ...(options.applet === undefined ? {} : { applet: options.applet }),
  };
  const joined = words.join(" ");
  const bytes = bytesOfHex(joined);
  if (bytes !== undefined && bytes.length > 0 && !isFile(joined)) return [decodeBytes(bytes, options, context)];
  if (words.length > 1) throw new SessionError(`"${joined}" is neither hexadecimal nor one file.`);
  const [file = ""] = words;
  if (file !== "-" && !isFile(file)) {
    throw new SessionError(`"${file}" is neither hexadecimal nor a file.`);
  }
  const text = file === "-" ? readFileSync(0, "utf8") : readSession(file);
  const whole = bytesOfHex(text);
  if (whole !== undefined && whole.length > 0) return [decodeBytes(whole, options, context)];
  return decodeSession(text, context);
}

function isFile(name: string): boolean {
  return statSync(name, { throwIfNoEntry: false })?.isFile() === true;
}

function decodeBytes(bytes: Uint8Array, { as }: DecodeOptions, context: Context): Step {
  return as === undefined ? decodeFound(bytes, context).step : decodeAs(as, bytes, context);
}

/** Every command, and every answer that is written out whole. */
function decodeSession(text: string, context: Context): Step[] {
  let applet = context.applet;
  let command: Uint8Array | undefined;
  const steps: Step[] = [];
  for (const { item } of parseSession(text)) {
    const here = { ...context, ...(applet === undefined ? {} : { applet }) };
    const bytes = bytesOf(item);
    if (item.kind === "apdu" || item.kind === "symbolic") {
      command = bytes;
      steps.push(bytes === undefined ? step(printable(printItem(item))) : decodeCommandApdu(bytes, here));
    } else if (item.kind === "expect") {
      steps.push(bytes === undefined ? step(printable(printItem(item))) : decodeResponseApdu(bytes, here, command));
      if (bytes !== undefined && command !== undefined) applet = appletAfter(command, bytes, applet);
    } else if (item.kind !== "blank") {
      steps.push(step(printable(printItem(item))));
    }
  }
  return steps;
}

/** Undefined where something has to be filled in, or any bytes may stand. */
function bytesOf(item: SessionItem): Uint8Array | undefined {
  if (item.kind === "apdu") {
    const [part] = item.parts;
    return item.parts.length === 1 && part instanceof Uint8Array ? part : undefined;
  }
  if (item.kind === "expect") {
    const values = item.pattern.map((each) => (each !== "any" && each.mask === 0xff ? each.value : undefined));
    return values.includes(undefined) ? undefined : Uint8Array.from(values as number[]);
  }
  if (item.kind !== "symbolic") return undefined;
  try {
    return encodeCommand(
      parseSymbolic(
        filledIn(item.text, () => undefined),
        false,
      ),
    );
  } catch (error) {
    if (error instanceof SessionError) return undefined;
    throw error;
  }
}
