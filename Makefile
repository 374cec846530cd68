# SPDX-License-Identifier: GPL-2.0-or-later
#
#   make              build/edgepath            make SAN=1        the same with ASan and UBSan, in build/san
#   make run ARGS=…   install, build, run       make check        every test
#   make demo         the outage, rebuilt       make oracle CASES=1000 [SEED=…]
#   make corpus       real rulesets, and what of them is decided
#   make bench        time and memory           make fuzz FUZZ_SECONDS=30
#   make install      DESTDIR, PREFIX           make format       make clean
#
# V=1 shows the commands. For work on a part of the tree: ROOMS="util model walk" limits the library
# to these rooms, BUILD=/some/where builds there.

VERSION := 0.1.0

PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/edgepath

BUILD ?= build
OUT := $(BUILD)$(if $(SAN),/san)
GEN := $(BUILD)/gen
# What others run: an absolute path is needed by tests that leave the directory.
ABSBUILD := $(abspath $(BUILD))

CLANG ?= clang
LLVM_STRIP ?= llvm-strip
PKG_CONFIG ?= pkg-config
# Ubuntu's /usr/sbin/bpftool is a wrapper that fails unless the running kernel's own build is installed.
BPFTOOL ?= $(firstword $(foreach t,bpftool /usr/sbin/bpftool $(wildcard /usr/lib/linux-tools/*/bpftool \
	/usr/lib/linux-tools-*/bpftool),$(if $(shell $(t) version 2>/dev/null),$(t))) bpftool)
PYTHON ?= /usr/bin/python3

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)';)

MACHINE := $(shell uname -m)
BPF_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(patsubst riscv64,riscv,$(patsubst \
	ppc64le,powerpc,$(patsubst s390x,s390,$(MACHINE))))))

LIBS_PKG := libbpf libmnl jansson yaml-0.1

CFLAGS ?= -O2 -g
ep_cppflags := -D_GNU_SOURCE -DEP_VERSION='"$(VERSION)"' -Iinclude -I$(GEN) -Isrc
ep_cflags := -std=gnu11 -Wall -Wextra -Werror -Wstrict-prototypes -fPIE -fstack-protector-strong \
	-fstack-clash-protection $(if $(filter x86_64,$(MACHINE)),-fcf-protection)
ep_ldflags := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
ifdef SAN
ep_cflags += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
ep_ldflags += -fsanitize=address,undefined
else ifeq ($(filter -O0 -Og,$(CFLAGS)),)
ep_cppflags += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif

# Evaluated at the first use, so that "make deps" and "make clean" do not need the libraries.
pkg_cflags = $(eval pkg_cflags := $$(shell $(PKG_CONFIG) --cflags $(LIBS_PKG)))$(pkg_cflags)
pkg_libs = $(eval pkg_libs := $$(shell $(PKG_CONFIG) --libs $(LIBS_PKG)))$(pkg_libs)
test_cflags = $(eval test_cflags := $$(shell $(PKG_CONFIG) --cflags cmocka))$(test_cflags)
test_libs = $(eval test_libs := $$(shell $(PKG_CONFIG) --libs cmocka))$(test_libs)

compile = $(CC) $(ep_cppflags) $(pkg_cflags) $(CPPFLAGS) $(ep_cflags) $(CFLAGS) -MMD -MP
link = $(CC) $(ep_cflags) $(CFLAGS) $(ep_ldflags) $(LDFLAGS)

ROOMS ?= $(patsubst src/%/,%,$(sort $(wildcard src/*/)))
srcs := $(sort $(foreach r,$(ROOMS),$(wildcard src/$(r)/*.c)))
main_obj := $(patsubst src/%.c,$(OUT)/obj/%.o,$(filter src/cmd/main.c,$(srcs)))
lib_objs := $(patsubst src/%.c,$(OUT)/obj/%.o,$(filter-out src/cmd/main.c,$(srcs)))
lib := $(OUT)/libedgepath.a
program := $(if $(main_obj),$(OUT)/edgepath)

bpf_srcs := $(sort $(wildcard bpf/*.bpf.c))
skeletons := $(patsubst bpf/%.bpf.c,$(GEN)/%.skel.h,$(bpf_srcs))

unit_srcs := $(sort $(wildcard tests/unit/test_*.c))
unit_tests := $(patsubst tests/unit/%.c,$(OUT)/tests/%,$(unit_srcs))
fuzz_srcs := $(sort $(wildcard tests/fuzz/fuzz_*.c))
fuzz_drivers := $(patsubst tests/fuzz/%.c,$(OUT)/tests/%,$(fuzz_srcs))
fuzz_programs := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(fuzz_srcs))

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
.PHONY: all lib tests deps run demo check format oracle corpus bench fuzz install clean FORCE

all: $(lib) $(program)
lib: $(lib)
tests: all $(unit_tests) $(OUT)/tests/snapshot $(OUT)/tests/coverage $(if $(SAN),$(fuzz_drivers))

# Objects are rebuilt when the flags change, the library when a source file is added or removed.
$(OUT)/.flags: FORCE
	@mkdir -p $(@D)
	@command -v $(PKG_CONFIG) >/dev/null || { echo "make: $(PKG_CONFIG) is missing; 'make deps' installs it" >&2; exit 1; }
	@$(PKG_CONFIG) --exists $(LIBS_PKG) || { echo "make: not all of $(LIBS_PKG) are installed; 'make deps' installs them" >&2; exit 1; }
	@printf '%s\n' $(call quote,$(compile) $(link)) >$@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@
$(OUT)/.objects: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(lib_objs) >$@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@
quote = '$(subst ','\'',$(1))'

$(lib): $(lib_objs) $(OUT)/.objects
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $(lib_objs)

$(OUT)/edgepath: $(main_obj) $(lib)
	$(call say,LINK,$@)$(link) -o $@ $(main_obj) $(lib) $(pkg_libs)

$(OUT)/obj/%.o: src/%.c $(OUT)/.flags | $(skeletons)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(compile) -c -o $@ $<

# BPF: CO-RE objects, embedded through light skeletons (-L): the kernel itself relocates them, which
# takes a fifth of the time and none of the 12 MB that reading the kernel's BTF in here would take.
# NAME.bpf.c gives struct NAME_bpf.
$(GEN)/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)$(CLANG) -g -O2 -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Werror -Iinclude -Ibpf \
		-I/usr/include/$(shell $(CC) -dumpmachine) -MMD -MP -c -o $@ $<
	$(Q)if command -v $(LLVM_STRIP) >/dev/null; then $(LLVM_STRIP) -g $@; fi

$(GEN)/%.skel.h: $(GEN)/%.bpf.o
	$(call say,SKEL,$@)$(BPFTOOL) gen skeleton -L $< name $*_bpf >$@

# Tests
$(OUT)/tests/%.o: tests/unit/%.c $(OUT)/.flags | $(skeletons)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(compile) $(test_cflags) -Itests/unit -c -o $@ $<
$(OUT)/tests/%.o: tests/fuzz/%.c $(OUT)/.flags | $(skeletons)
	@mkdir -p $(@D)
	$(call say,CC,$<)$(compile) -c -o $@ $<

# Files of tests/unit that are no tests of their own are helpers that every test may use.
unit_helpers := $(patsubst tests/unit/%.c,$(OUT)/tests/%.o,$(filter-out $(unit_srcs),$(wildcard tests/unit/*.c)))
$(OUT)/tests/test_%: $(OUT)/tests/test_%.o $(unit_helpers) $(lib)
	$(call say,LINK,$@)$(link) -o $@ $< $(unit_helpers) $(lib) $(test_libs) $(pkg_libs)
# snapshot saves namespaces of a lab for the unit tests (tests/unit/data/snapshots/make.py) and writes
# texts of rules; coverage counts what the walk decides.
$(OUT)/tests/snapshot $(OUT)/tests/coverage: $(OUT)/tests/%: tests/lib/%.c $(lib) $(OUT)/.flags
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(compile) $(ep_ldflags) $(LDFLAGS) -o $@ $< $(lib) $(pkg_libs)
$(OUT)/tests/fuzz_%: $(OUT)/tests/fuzz_%.o $(OUT)/tests/driver.o $(lib)
	$(call say,LINK,$@)$(link) -o $@ $^ $(pkg_libs)

$(BUILD)/fuzz/%: tests/fuzz/%.c $(filter-out src/cmd/main.c,$(srcs)) | $(skeletons)
	@mkdir -p $(@D)
	$(call say,FUZZ,$@)$(CLANG) -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -fno-omit-frame-pointer $(ep_cppflags) $(pkg_cflags) \
		-o $@ $(filter %.c,$^) $(pkg_libs)

FUZZ_SECONDS ?= 30
fuzz: $(fuzz_programs)
	$(Q)$(if $(fuzz_programs),,echo "make: there are no fuzz targets" >&2; exit 1)
	$(Q)for f in $(fuzz_programs); do \
		name=$${f##*/fuzz_}; mkdir -p $(BUILD)/fuzz/corpus/$$name tests/fuzz/corpus/$$name; \
		echo "$$f: $(FUZZ_SECONDS) s"; \
		$$f -max_total_time=$(FUZZ_SECONDS) -print_final_stats=0 -verbosity=0 \
			-artifact_prefix=$(BUILD)/fuzz/$$name- \
			$(BUILD)/fuzz/corpus/$$name tests/fuzz/corpus/$$name || exit 1; \
	done

deps:
	$(Q)tools/deps all

run:
	$(Q)tools/run $(ARGS)

check:
	$(Q)MAKE="$(MAKE)" BUILD="$(BUILD)" $(PYTHON) tools/run-tests $(PARTS)

format:
	$(Q)tools/check-format --fix $(shell find src include bpf tests -name '*.[ch]')

demo:
	$(Q)tools/deps demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)EDGEPATH=$(ABSBUILD)/edgepath tools/demo $(ARGS)

CASES ?= 1000
oracle: all
	$(Q)EDGEPATH=$(ABSBUILD)/edgepath $(PYTHON) tests/oracle/oracle.py --cases $(CASES) \
		$(if $(SEED),--seed $(SEED)) $(ARGS)

corpus: tests
	$(Q)EDGEPATH=$(ABSBUILD)/edgepath $(PYTHON) -B -m pytest -q -s -p no:cacheprovider -ra \
		tests/lab/test_corpus.py tests/lab/test_rule_text.py $(ARGS)

bench: all
	$(Q)EDGEPATH=$(ABSBUILD)/edgepath $(PYTHON) tests/bench/bench.py $(ARGS)
	$(Q)tools/deps bench
	$(Q)EDGEPATH=$(ABSBUILD)/edgepath $(PYTHON) tests/bench/watch.py $(WATCH_ARGS)

install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(DOCDIR)
	install -m 755 $(OUT)/edgepath $(DESTDIR)$(SBINDIR)/edgepath
	install -m 644 docs/edgepath.8 $(DESTDIR)$(MANDIR)/man8/edgepath.8
	install -m 644 README.md CHANGELOG.md docs/architecture.md $(DESTDIR)$(DOCDIR)
	$(if $(wildcard docs/schema/*.json),install -d $(DESTDIR)$(DOCDIR)/schema && \
		install -m 644 $(wildcard docs/schema/*.json) $(DESTDIR)$(DOCDIR)/schema)

clean:
	rm -rf $(BUILD)

FORCE:

-include $(wildcard $(OUT)/obj/*/*.d $(OUT)/tests/*.d $(GEN)/*.d)
