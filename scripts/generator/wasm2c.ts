/**
 * Writes what lies between code of wasm2c and the platform's functions: `hardware/wasm/binding.generated.c`, and beside it
 * `test/hardware/calls.generated.c`, by which a test calls any of them by its number.
 */

import {
  type Parameter,
  PLATFORM_FUNCTIONS,
  PLATFORM_MODULE,
  type PlatformFunction,
} from "../../firmware/platform/interface.js";
import { list, NOTICE } from "./names.js";

const IMPORT = `w2c_${PLATFORM_MODULE}_`;
const REFUSAL = `return (uint32_t)${PLATFORM_MODULE.toUpperCase()}_INVALID_ARGUMENT;`;

function parameterText({ name, kind }: Parameter): string[] {
  return kind === "u32" ? [`uint32_t ${name}`] : [`uint32_t ${name}_address`, `uint32_t ${name}_length`];
}

/** The buffer that a pair names, or a refusal where it has another length or lies outside linear memory. */
function viewText({ name, kind, bytes }: Parameter): string {
  if (kind === "u32") return "";
  const exactly = bytes === undefined ? "" : `  if (${name}_length != ${bytes}) ${REFUSAL}\n`;
  const constness = kind === "in" ? "const " : "";
  const view = `  ${constness}uint8_t *${name} = binding_view(applet, ${name}_address, ${name}_length);\n`;
  return `${exactly}${view}  if (${name} == NULL) ${REFUSAL}\n`;
}

function prototypeText(declared: PlatformFunction, tail: string): string {
  const parameters = ["struct w2c_tallystick *applet", ...declared.parameters.flatMap(parameterText)];
  return list(`uint32_t ${IMPORT}${declared.name}`, parameters, tail);
}

function bindingText(declared: PlatformFunction): string {
  const { parameters, name } = declared;
  const values = parameters.flatMap((each) => (each.kind === "u32" ? [each.name] : [each.name, `${each.name}_length`]));
  const unused = parameters.every(({ kind }) => kind === "u32") ? "  (void)applet;\n" : "";
  const call = list(`  return (uint32_t)${PLATFORM_MODULE}_${name}`, values, ";");
  return `${prototypeText(declared, " {")}\n${unused}${parameters.map(viewText).join("")}${call}\n}\n`;
}

export function bindingSource(): string {
  return `/* ${NOTICE} */
#include "binding.h"
#include "platform.generated.h"

${PLATFORM_FUNCTIONS.map(bindingText).join("\n")}`;
}

function caseText(declared: PlatformFunction, number: number): string {
  const count = declared.parameters.flatMap(parameterText).length;
  const values = ["applet", ...Array.from({ length: count }, (_, i) => `arguments[${i}]`)];
  return `    case ${number}:\n${list(`      return ${IMPORT}${declared.name}`, values, ";")}\n`;
}

export function callsSource(): string {
  return `/* ${NOTICE} */
#include "calls.h"

${PLATFORM_FUNCTIONS.map((each) => `${prototypeText(each, ";")}\n`).join("")}
uint32_t call(struct w2c_tallystick *applet, uint32_t number, const uint32_t arguments[CALL_ARGUMENTS_MAX]) {
  switch (number) {
${PLATFORM_FUNCTIONS.map(caseText).join("")}    default:
      return 0;
  }
}
`;
}
