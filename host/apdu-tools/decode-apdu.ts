/** Command and response APDUs as steps (ISO/IEC 7816-4, 5.1), a response in the context of its command. */

import { INS_SELECT } from "../../firmware/protocol/apdu.js";
import { type Command, decodeCommand } from "../apdu.js";
import { type AppletName, appletOfAid } from "../applets.js";
import {
  type CommandEntry,
  channelOf,
  type Form,
  findCommand,
  findForm,
  isChained,
  plainClass,
  takesSecrets,
} from "./command-table.js";
import { dataObject, FCI_TEMPLATE } from "./data-objects.js";
import { type DecodeOptions, decodeCbor, HIDDEN, namedItems, plainItem, signedStep } from "./decode-cbor.js";
import { dataSteps } from "./decode-data.js";
import { decodeEnvelope } from "./decode-envelope.js";
import { decodeTlv } from "./decode-tlv.js";
import { bytesInDiagnostic } from "./diagnostic.js";
import { hex8, hex16 } from "./names.js";
import { faultAt, hasFault, type Step, step } from "./outline.js";
import { recordFile, ticketFields } from "./records.js";
import { describeStatus } from "./status-table.js";
import { fields } from "./values.js";

/** What is known of the conversation so far. */
export interface Context extends DecodeOptions {
  /** The applet that the command goes to. */
  readonly applet?: AppletName;
}

/** The command in the bytes, or why they are none. */
export function readCommand(apdu: Uint8Array): Command | string {
  try {
    return decodeCommand(apdu);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // What it means for money belongs to a failure; nothing was sent here.
    return (/^[^.]*\./.exec(error.message)?.[0] ?? error.message).replace(/\.$/, "");
  }
}

/** "GET DATA balance"; undefined for a command of nobody. */
export function nameOf(command: Pick<Command, "cla" | "ins" | "p1" | "p2">): string | undefined {
  const entry = findCommand(command.cla, command.ins);
  if (entry === undefined) return undefined;
  const form = findForm(entry, command.p1, command.p2);
  const number =
    form?.p1 === undefined
      ? form === undefined
        ? ""
        : ` ${command.p1}`
      : form.p2 === undefined
        ? ` ${command.p2}`
        : "";
  return `${entry.name}${form === undefined || form.name === "" ? "" : ` ${form.name}`}${number}`;
}

export function decodeCommandApdu(apdu: Uint8Array, context: Context): Step {
  const [cla, ins, p1, p2] = apdu;
  if (cla === undefined || ins === undefined || p1 === undefined || p2 === undefined) {
    return faultAt("command", "less than the four bytes of a header", bytesInDiagnostic(apdu));
  }
  const entry = findCommand(cla, ins);
  const form = entry === undefined ? undefined : findForm(entry, p1, p2);
  const header = step("CLA INS P1 P2", [cla, ins, p1, p2].map(hex8).join(" "), headerSteps(cla, entry, form));
  const command = readCommand(apdu);
  const title = nameOf({ cla, ins, p1, p2 }) ?? "not a command of this project";
  if (typeof command === "string") return { ...step("command", title, [header]), fault: command };
  const length = command.data?.length ?? 0;
  const lengths = [
    step("Lc", length === 0 ? "none" : `${length}`),
    step("Le", command.answerBytesMax === undefined ? "none" : `${command.answerBytesMax}`),
  ];
  return step("command", title, [header, ...lengths, ...bodySteps(command, entry, form, context)]);
}

function headerSteps(cla: number, entry: CommandEntry | undefined, form: Form | undefined): Step[] {
  const steps: Step[] = [];
  if ((cla & 0x40) !== 0) steps.push(faultAt("class", "further interindustry: no applet here takes it", hex8(cla)));
  if (channelOf(cla) !== 0) steps.push(step("logical channel", String(channelOf(cla))));
  if (isChained(cla)) steps.push(step("chaining", "more of this command follows"));
  if (entry === undefined) steps.push(faultAt("instruction", `class ${hex8(plainClass(cla))} has no such instruction`));
  else if (form === undefined) steps.push(faultAt("P1 P2", "the command has no such form"));
  else steps.push(step("meaning", form.meaning));
  return steps;
}

function bodySteps(
  command: Command,
  entry: CommandEntry | undefined,
  form: Form | undefined,
  context: Context,
): Step[] {
  const data = command.data ?? new Uint8Array(0);
  if (isChained(command.cla)) {
    const isSecret = takesSecrets(command.ins) && !context.secrets;
    return [step("part of the data", isSecret ? HIDDEN : bytesInDiagnostic(data))];
  }
  if (entry !== undefined && form !== undefined) return dataSteps(form.data, data, context, context.applet);
  if (data.length === 0) return [];
  // Digits may stand in whatever is nearly a command of the owner.
  const mayBeSecret = takesSecrets(command.ins) && !context.secrets;
  return [step("data", mayBeSecret ? HIDDEN : bytesInDiagnostic(data))];
}

/** The applet that is asked from now on, if the command chose one and was answered well. */
export function appletAfter(
  apdu: Uint8Array,
  response: Uint8Array,
  before: AppletName | undefined,
): AppletName | undefined {
  const command = readCommand(apdu);
  if (typeof command === "string" || command.ins !== INS_SELECT || plainClass(command.cla) !== 0) return before;
  const isDone = response.at(-2) === 0x90 && response.at(-1) === 0;
  return isDone ? appletOfAid(command.data ?? new Uint8Array(0))?.name : before;
}

export function decodeResponseApdu(response: Uint8Array, context: Context, command?: Uint8Array): Step {
  if (response.length < 2)
    return faultAt("response", "less than the two bytes of a status word", bytesInDiagnostic(response));
  const status = ((response.at(-2) ?? 0) << 8) | (response.at(-1) ?? 0);
  const data = response.subarray(0, -2);
  const asked = command === undefined ? undefined : readCommand(command);
  const known = typeof asked === "object" ? asked : undefined;
  const word = step("status", `${hex16(status)} (${describeStatus(status, known)})`);
  if (data.length === 0) return step("response", undefined, [word]);
  const isPart = (status & 0xff00) === 0x6100;
  const steps = isPart ? [step("part of the answer", bytesInDiagnostic(data))] : answerSteps(known, data, context);
  return step("response", `${data.length} bytes`, [...steps, word]);
}

function answerSteps(command: Command | undefined, data: Uint8Array, context: Context): Step[] {
  const entry = command === undefined ? undefined : findCommand(command.cla, command.ins);
  const form = command === undefined || entry === undefined ? undefined : findForm(entry, command.p1, command.p2);
  switch (form?.answer) {
    case "fci":
    case "data-object":
      return decodeTlv(data);
    case "record":
      return [recordStep((command?.p2 ?? 0) >> 3, data, context)];
    case "envelope":
      return [decodeEnvelope(data, "from", context, context.applet)];
    case "challenge":
      return [step("challenge", bytesInDiagnostic(data))];
    case "channel":
      return [step("channel", String(data[0] ?? 0))];
    case "request":
      return [certificateRequest(data, context)];
    case "rest":
      return restSteps(data);
    case "none":
      return [faultAt("data", "this command has no answer but its status", bytesInDiagnostic(data))];
    default:
      return [step("data", bytesInDiagnostic(data))];
  }
}

/** Of an answer that comes whole by GET RESPONSE, a data object is told by its tag; anything else is bytes. */
function restSteps(data: Uint8Array): Step[] {
  const objects = decodeTlv(data);
  const isObject = data[0] === FCI_TEMPLATE || dataObject(((data[0] ?? 0) << 8) | (data[1] ?? 0)) !== undefined;
  return isObject && !objects.some(hasFault) ? objects : [step("rest", bytesInDiagnostic(data))];
}

function recordStep(file: number, data: Uint8Array, context: Context): Step {
  const known = recordFile(file);
  const title = `record of ${known?.name ?? `file ${file}`}`;
  return decodeCbor(title, data, (item) => {
    if (item.kind !== "array" || known === undefined) return plainItem(title, item);
    const [type] = item.items;
    const isTicket = known.name === "tickets" && type?.kind === "integer";
    const names = isTicket ? ticketFields(Number(type.value)) : known.fields;
    return step(title, undefined, namedItems(item.items, names, context));
  });
}

const REQUEST =
  "format, subject id: id, role: role, Ed25519 key: bytes, X25519 key: bytes, issuer's X25519 key: bytes, proof: bytes";

function certificateRequest(data: Uint8Array, context: Context): Step {
  return decodeCbor("certificate request", data, (item) =>
    signedStep("certificate request", item, (content) =>
      content.kind === "array" ? namedItems(content.items, fields(REQUEST), context) : [plainItem("content", content)],
    ),
  );
}
