/* The configuration of the ESP32-C3 as ESP-IDF makes it of Kconfig.projbuild and sdkconfig.defaults.esp32c3: what the board reads. */
#pragma once

#include "fakes/options.h"

#define CONFIG_TALLYSTICK_SERIAL 1
#define CONFIG_TALLYSTICK_APPLETS fake_options.applets
#define CONFIG_TALLYSTICK_CARD_STACK_BYTES FAKE_STACK_BYTES
