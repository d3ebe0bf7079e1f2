# Lamarck. `make help` lists what can be made; everything is built under $(BUILD), never in the
# source folders.
#
#   make SANITIZER=address,undefined check     the suite under sanitizers, in a build folder of its own
#   make WERROR=1                              warnings are errors (CI)

# Built-in rules would try to link the .d files that are included below.
MAKEFLAGS += --no-builtin-rules
SANITIZER ?=
WERROR    ?=
CC        ?= gcc
PREFIX    ?= /usr/local
comma     := ,
BUILD     ?= build/$(if $(SANITIZER),$(subst $(comma),-,$(SANITIZER)),release)

LIBRARIES := gsl jansson libcurl libmicrohttpd libxml-2.0 sqlite3 libpcre2-8 libfyaml libcrypto
PKG_CFLAGS := $(shell pkg-config --cflags $(LIBRARIES))
# oneDNN and libunistring have no pkg-config files; oneDNN's libgomp is named so that there is one
# OpenMP runtime.
PKG_LIBS   := $(shell pkg-config --libs $(LIBRARIES)) -lunistring -ldnnl -fopenmp -lm -lpthread

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
    -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla \
    -Wformat=2 -Wconversion -Wno-sign-conversion -Wdouble-promotion -Wnull-dereference
CFLAGS  ?= -O2 -g
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -fopenmp $(WARNINGS) $(if $(WERROR),-Werror) $(CFLAGS) \
    $(if $(SANITIZER),-fsanitize=$(SANITIZER) -fno-omit-frame-pointer -fno-sanitize-recover=all) \
    $(PKG_CFLAGS) -MMD -MP
ALL_LDFLAGS = $(LDFLAGS) $(if $(SANITIZER),-fsanitize=$(SANITIZER))

FOLDERS := model prefix evolve rater $(patsubst %/,%,$(sort $(dir $(wildcard experiments/*/*.c))))
SOURCES := $(filter-out model/kernels.c,$(wildcard $(FOLDERS:%=%/*.c)))
MAIN    := experiments/commands/main.c
OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(MAIN),$(SOURCES)))
LIBRARY := $(BUILD)/liblamarck.a
PROGRAM := $(BUILD)/lamarck
TESTS   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/test_*.c))
TEST_HELPERS := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(wildcard tests/test_*.c tests/fuzz_*.c),$(wildcard tests/*.c)))

# The vector kernels are one source, compiled once per instruction set and chosen at run time.
KERNEL_SETS    := generic avx2 avx512
KERNEL_generic :=
KERNEL_avx2    := -mavx2 -mfma -mf16c
KERNEL_avx512  := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512
ifneq ($(wildcard model/kernels.c),)
OBJECTS += $(KERNEL_SETS:%=$(BUILD)/model/kernels_%.o)
endif

.PHONY: all check bench fuzz tidy format install uninstall clean help optional layers tests
.SECONDARY:

all: optional $(PROGRAM) ## build the program: build/release/lamarck

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

optional: ## say which optional parts were found
	@./tests/optional.sh

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c $< -o $@

$(KERNEL_SETS:%=$(BUILD)/model/kernels_%.o): $(BUILD)/model/kernels_%.o: model/kernels.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -O3 -fno-math-errno -fno-trapping-math $(KERNEL_$*) \
	    -DKERNEL_SET=$* -c $< -o $@

# The assembler reads these, and tells no dependencies.
$(BUILD)/rater/assets.o: rater/page.css rater/page.js rater/openapi.json

$(LIBRARY): $(OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

$(PROGRAM): $(MAIN:%.c=$(BUILD)/%.o) $(LIBRARY)
	$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -o $@

$(BUILD)/tests/test_%: $(BUILD)/tests/test_%.o $(TEST_HELPERS) $(LIBRARY)
	$(CC) $(ALL_LDFLAGS) $^ $(PKG_LIBS) $(shell pkg-config --libs cmocka) -o $@

tests: $(TESTS) $(if $(wildcard $(MAIN)),$(PROGRAM))

check: layers tests ## run every test; the exit status is the truth
	@BUILD=$(BUILD) SANITIZER='$(SANITIZER)' ./tests/run.sh

layers: ## check which folder may include which
	@./tests/layers.sh

# Built by clang, whose warnings differ: the warnings that count are gcc's.
FUZZERS := $(patsubst tests/%.c,%,$(wildcard tests/fuzz_*.c))
FUZZ_SECONDS ?= 60
FUZZ_BUILD := build/fuzz
fuzz: ## run each fuzzer for FUZZ_SECONDS (60)
	@$(MAKE) --no-print-directory CC=clang WERROR= SANITIZER=fuzzer-no-link,address,undefined BUILD=$(FUZZ_BUILD) \
	    $(FUZZERS:%=$(FUZZ_BUILD)/tests/%)
	@FUZZ_BUILD=$(FUZZ_BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) ./tests/fuzz.sh $(FUZZERS)

$(FUZZ_BUILD)/tests/fuzz_%: $(FUZZ_BUILD)/tests/fuzz_%.o $(LIBRARY)
	$(CC) -fsanitize=fuzzer,address,undefined $^ $(PKG_LIBS) -o $@

BENCH ?= scoring training
bench: $(PROGRAM) ## time the engine, BENCH="scoring training crowd"; CSV rows with the machine's CPU flags
	@for what in $(BENCH); do BUILD=$(BUILD) ./tests/bench_$$what.sh || exit; done

tidy: ## static analysis: clang-tidy, cppcheck, gcc -fanalyzer
	@PKG_CFLAGS='$(PKG_CFLAGS)' ./tests/tidy.sh

format: ## clang-format every source file
	clang-format-14 -i $(wildcard $(FOLDERS:%=%/*.[ch]) tests/*.[ch])

install: $(PROGRAM) ## install to $(DESTDIR)$(PREFIX)
	install -D -m 755 $(PROGRAM) "$(DESTDIR)$(PREFIX)/bin/lamarck"

uninstall: ## remove what install put there
	rm -f "$(DESTDIR)$(PREFIX)/bin/lamarck"

clean: ## remove everything built
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
