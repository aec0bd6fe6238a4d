/* Of esp_tinyusb 2.1, include/tinyusb_default_config.h: the form with an event callback, which is the one that the board uses. */
#pragma once

#include "tinyusb.h"

#define TINYUSB_DEFAULT_CONFIG(EVENT)                                         \
  (tinyusb_config_t) {                                                        \
    .port = TINYUSB_PORT_FULL_SPEED_0, .phy = {.vbus_monitor_io = -1},        \
    .task = {.size = 4096, .priority = 5, .xCoreID = 1}, .event_cb = (EVENT) \
  }
