/** Writes what a board implements: `hardware/platform.generated.h`. */

import {
  KEY_KINDS,
  type Parameter,
  PLATFORM_ERRORS,
  PLATFORM_FUNCTIONS,
  PLATFORM_MODULE,
  PLATFORM_SIZES,
  type PlatformFunction,
} from "../../firmware/platform/interface.js";
import { docComment, list, NOTICE, upperCase } from "./names.js";

const PREFIX = `${PLATFORM_MODULE}_`;

function define(name: string, value: number, doc: string): string {
  return `#define ${PREFIX.toUpperCase()}${name} (${value}) /* ${doc} */\n`;
}

function parameterText(parameter: Parameter): string[] {
  if (parameter.kind === "u32") return [`uint32_t ${parameter.name}`];
  const constness = parameter.kind === "in" ? "const " : "";
  return [`${constness}uint8_t *${parameter.name}`, `uint32_t ${parameter.name}_length`];
}

function parameterNames(parameter: Parameter): string[] {
  return parameter.kind === "u32" ? [parameter.name] : [parameter.name, `${parameter.name}_length`];
}

function prototypeText(declared: PlatformFunction): string {
  const tags = declared.parameters.map((parameter) => {
    const exact = parameter.bytes === undefined ? "" : ` (${parameter.bytes} bytes)`;
    return `@param ${parameter.name} ${parameter.doc}${exact}`;
  });
  const parameters = declared.parameters.flatMap(parameterText);
  const prototype = list(`int32_t ${PREFIX}${declared.name}`, parameters.length === 0 ? ["void"] : parameters, ";");
  return `${docComment(declared.doc, "", [...tags, `@return ${declared.result}`])}${prototype}\n`;
}

/** A wrapper with WAMR's execution environment first, and the fixed lengths checked: WAMR has checked the addresses. */
function wrapperText(declared: PlatformFunction): string {
  const parameters = ["wasm_exec_env_t environment", ...declared.parameters.flatMap(parameterText)];
  const fixed = declared.parameters.filter((parameter) => parameter.bytes !== undefined);
  const refusals = fixed.map(
    (parameter) =>
      `  if (${parameter.name}_length != ${parameter.bytes}) return ${PREFIX.toUpperCase()}INVALID_ARGUMENT;\n`,
  );
  const head = list(`static int32_t ${PREFIX}wamr_${declared.name}`, parameters, " {");
  const call = `${PREFIX}${declared.name}(${declared.parameters.flatMap(parameterNames).join(", ")})`;
  return `${head}\n  (void)environment;\n${refusals.join("")}  return ${call};\n}\n`;
}

function symbolText(declared: PlatformFunction): string {
  const signature = declared.parameters.map((parameter) => (parameter.kind === "u32" ? "i" : "*~")).join("");
  return `    {"${declared.name}", (void *)${PREFIX}wamr_${declared.name}, "(${signature})i", NULL},\n`;
}

export function headerText(): string {
  const constants = [
    ...PLATFORM_ERRORS.map(({ name, value, doc }) => define(upperCase(name), value, doc)),
    ...KEY_KINDS.map(({ name, value, doc }) => define(`KEY_KIND_${upperCase(name)}`, value, doc)),
    ...PLATFORM_SIZES.map(({ name, value, doc }) => define(name, value, doc)),
  ].join("");
  return `/* ${NOTICE} */
#ifndef TALLYSTICK_PLATFORM_H
#define TALLYSTICK_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

#define TALLYSTICK_MODULE "${PLATFORM_MODULE}"

${constants}
${PLATFORM_FUNCTIONS.map(prototypeText).join("\n")}
/*
 * The symbol table for WAMR. Define TALLYSTICK_WAMR in the one file that registers it with
 * wasm_runtime_register_natives(TALLYSTICK_MODULE, tallystick_symbols, TALLYSTICK_SYMBOLS_COUNT).
 */
#ifdef TALLYSTICK_WAMR
#include "wasm_export.h"

${PLATFORM_FUNCTIONS.map(wrapperText).join("\n")}
static NativeSymbol ${PREFIX}symbols[] = {
${PLATFORM_FUNCTIONS.map(symbolText).join("")}};
#define TALLYSTICK_SYMBOLS_COUNT (${PLATFORM_FUNCTIONS.length})
#endif

#endif
`;
}
