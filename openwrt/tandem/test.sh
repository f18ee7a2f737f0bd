#!/bin/sh
# Runs the init script with procd's functions replaced by ones that write down
# what they were asked for, and compares. Needs nothing of OpenWrt. The paths of
# a router are turned into ones below a folder of the test's own.
set -u
here=$(cd "$(dirname "$0")" && pwd)
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
failed=0 passed=0

mkdir -p "$T/usr/sbin" "$T/sbin" "$T/bin" "$T/etc/capabilities" "$T/etc/tandem" "$T/proc/sys/net/mptcp" "$T/var/run"
sed -e "s#/proc/#$T/proc/#g; s#/etc/#$T/etc/#g; s#/usr/sbin/tandem-cpe#$T/usr/sbin/tandem-cpe#; s#/sbin/ujail#$T/sbin/ujail#; s#/var/run/#$T/var/run/#g" \
	-e '1s/.*/#!\/bin\/sh/' "$here/files/tandem.init" > "$T/init"
cat > "$T/usr/sbin/tandem-cpe" <<'EOC'
#!/bin/sh
[ -z "$DAEMON_SAYS" ] && exit 0
echo "$DAEMON_SAYS" >&2
exit 1
EOC
cat > "$T/bin/chown" <<'EOC'
#!/bin/sh
echo "chown $*" >> "$LOG"
EOC
cat > "$T/bin/ls" <<'EOC'
#!/bin/sh
echo "${KEYS_ARE:-drwxr-xr-x} 2 ${KEYS_OF:-root} root 4096 Jan 1 00:00 $2"
EOC
chmod +x "$T/usr/sbin/tandem-cpe" "$T/bin/chown" "$T/bin/ls"

# What rc.common, procd.sh and /lib/functions.sh would bring.
cat > "$T/stubs" <<'EOC'
config_load() { :; }
logger() { shift 5; echo "log: $*" >> "$LOG"; }
uci_load_validate() {
	local function=$4
	echo "validate $1 $2 $3" >> "$LOG"
	shift 4
	for o in "$@"; do eval "${o%%:*}=\${UCI_${o%%:*}:-${o##*:}}"; done
	[ -z "$function" ] || "$function" main "$VALID"
}
for f in open_instance close_instance set_param add_jail add_jail_mount add_jail_mount_rw add_reload_trigger; do
	eval "procd_$f() { echo \"$f \$*\" >> \"\$LOG\"; }"
done
procd_add_validation() { "$1" main ""; }
EOC

# start NAME VARIABLES... runs start_service and keeps what was asked in $LOG.
start() {
	export LOG="$T/log" PATH="$T/bin:$PATH"
	: > "$LOG"
	(
		VALID=0 DAEMON_SAYS='' UCI_enabled=1
		export VALID DAEMON_SAYS
		shift
		for v in "$@"; do export "$v"; done
		. "$T/stubs"
		. "$T/init"
		start_service
	)
	result=$?
}
has() {
	if grep -qxF -- "$1" "$T/log"; then passed=$((passed + 1)); else
		failed=$((failed + 1))
		echo "FAIL: $name: want \"$1\" in:"
		cat "$T/log"
	fi
}
hasnot() {
	if ! grep -q -- "$1" "$T/log"; then passed=$((passed + 1)); else
		failed=$((failed + 1))
		echo "FAIL: $name: \"$1\" was not to be in:"
		cat "$T/log"
	fi
}
router() { # KB MPTCP UJAIL
	printf 'MemTotal:       %s kB\nMemFree: 1 kB\n' "$1" > "$T/proc/meminfo"
	rm -f "$T/proc/sys/net/mptcp/enabled" "$T/sbin/ujail"
	echo 0 > "$T/proc/sys/net/mptcp/pm_type"
	[ "$2" = none ] || echo "$2" > "$T/proc/sys/net/mptcp/enabled"
	[ "$3" = no ] || { : > "$T/sbin/ujail"; chmod +x "$T/sbin/ujail"; }
	cp "$here/files/tandem.capabilities.json" "$T/etc/capabilities/tandem.json"
	echo 'tandem:x:100:100::/var/run/tandem:/bin/false' > "$T/etc/passwd"
	rm -rf "$T/etc/tandem/keys"
}

name="as root without ujail"
router 125000 1 no
start x
has "set_param command $T/usr/sbin/tandem-cpe run"
has "set_param env GOMEMLIMIT=32MiB GOGC=75"
has "set_param respawn 3600 5 0"
has "set_param reload_signal HUP"
has "set_param file $T/etc/config/tandem"
hasnot "set_param user"
hasnot "^add_jail"
[ "$(stat -c %a "$T/etc/tandem/keys")" = 700 ] || { failed=$((failed + 1)); echo "FAIL: keys folder is $(stat -c %a "$T/etc/tandem/keys")"; }

name="as its own user in a jail"
router 500000 1 yes
start x
has "set_param user tandem"
has "set_param capabilities $T/etc/capabilities/tandem.json"
has "set_param no_new_privs 1"
has "chown -R tandem $T/etc/tandem/keys"
has "chown -R tandem $T/etc/tandem/state"
has "add_jail_mount_rw $T/etc/tandem/keys $T/etc/tandem/state $T/var/run/tandem"
has "set_param env GOMEMLIMIT=122MiB GOGC=100"

name="nothing is written where all is as it should be"
start x KEYS_ARE=drwx------ KEYS_OF=tandem
hasnot "chown -R"

name="who makes subflows"
mkdir -p "$T/etc/config"
for line in "#option mode 'overflow'" "	option mode 'bond'" "	option mode 'overflow'" "	option action 'refuse'" "	option action 'failover'" '  option mode failover' '	option mode "lowest-delay"'; do
	echo 0 > "$T/proc/sys/net/mptcp/pm_type"
	echo "$line" > "$T/etc/config/tandem"
	start x
	case $line in *bond* | *refuse* | \#*) want=0 ;; *) want=1 ;; esac
	[ "$(cat "$T/proc/sys/net/mptcp/pm_type")" = $want ] || { failed=$((failed + 1)); echo "FAIL: pm_type with $line, want $want"; }
done

name="no user yet"
: > "$T/etc/passwd"
start x
hasnot "set_param user"

name="small and large routers"
router 60000 1 no
start x
has "set_param env GOMEMLIMIT=20MiB GOGC=50"
router 250000 1 no
start x
has "set_param env GOMEMLIMIT=64MiB GOGC=100"
start x UCI_memory_limit=48 UCI_gc_percent=30
has "set_param env GOMEMLIMIT=48MiB GOGC=30"

name="disabled"
start x UCI_enabled=0
hasnot open_instance
hasnot log:

name="no MPTCP in the kernel"
router 125000 none no
start x
hasnot open_instance
has "log: not started, LAN traffic goes direct: this kernel has no Multipath TCP: OpenWrt 24.10 and newer have it, but for images of small-flash devices"

name="MPTCP switched off"
router 125000 0 no
start x
hasnot open_instance
has "log: not started, LAN traffic goes direct: Multipath TCP is switched off: sysctl net.mptcp.enabled=1"

name="the daemon's words"
router 125000 1 no
start x 'DAEMON_SAYS=tandem-cpe: tandem:3: option "port": "x" is not a port from 1 to 65535'
hasnot open_instance
has 'log: not started, LAN traffic goes direct: tandem-cpe: tandem:3: option "port": "x" is not a port from 1 to 65535'
start x VALID=1 'DAEMON_SAYS=tandem-cpe: tandem:2: option "enabled": "x" is none of 0, 1'
hasnot open_instance
has 'log: not started: tandem-cpe: tandem:2: option "enabled": "x" is none of 0, 1'

name="reload"
reload() {
	: > "$T/log"
	(
		export LOG="$T/log" DAEMON_SAYS=$2
		. "$T/stubs"
		. "$T/init"
		running() { return "$running"; }
		start() { echo started >> "$LOG"; }
		running=$1
		reload_service
	)
}
reload 0 ''
has started
reload 1 'tandem:3: wrong'
has started
reload 0 'tandem:3: wrong'
hasnot started
has "log: reload refused, the configuration in force stays: tandem:3: wrong"

name="triggers"
: > "$T/log"
(LOG="$T/log" && . "$T/stubs" && . "$T/init" && service_triggers)
has "add_reload_trigger tandem"
has "validate tandem tandem main"

name="uci-defaults twice"
cat > "$T/bin/uci" <<'EOC'
#!/bin/sh
case "$*" in
"-q get tandem.main") [ -e "$STATE" ] ;;
"-q batch") cat >> "$STATE" ;;
"-q show tandem") cat "$STATE" ;;
esac
EOC
chmod +x "$T/bin/uci"
printf '#!/bin/sh\nexit 1\n' > "$T/bin/nft"
printf '#!/bin/sh\necho "killall $*" >> "$LOG"\n' > "$T/bin/killall"
chmod +x "$T/bin/nft" "$T/bin/killall"
: > "$T/log"
sed "s#/etc/#$T/etc/#g; s#=/var/run/#=$T/var/run/#" "$here/files/tandem.defaults" > "$T/defaults"
mkdir -p "$T/etc/config"
export STATE="$T/state"
PATH="$T/bin:$PATH" sh "$T/defaults" && cp "$STATE" "$T/once" && PATH="$T/bin:$PATH" sh "$T/defaults"
cmp -s "$STATE" "$T/once" && grep -q enabled=0 "$STATE" && passed=$((passed + 1)) || { failed=$((failed + 1)); echo "FAIL: $name"; }
has "killall -HUP ubusd"
[ ! -e "$T/var/run/config.md5" ] || { failed=$((failed + 1)); echo "FAIL: $name: at a first boot reload_config has not looked yet"; }

name="the first reload_config after an installation"
echo "0123456789abcdef0123456789abcdef  /var/run/config.check/network" > "$T/var/run/config.md5"
PATH="$T/bin:$PATH" sh "$T/defaults" && PATH="$T/bin:$PATH" sh "$T/defaults"
printf '%s  /var/run/config.check/tandem\n' "$(md5sum < "$STATE" | cut -d' ' -f1)" > "$T/want"
sed 1d "$T/var/run/config.md5" | cmp -s - "$T/want" && passed=$((passed + 1)) || { failed=$((failed + 1)); echo "FAIL: $name"; cat "$T/var/run/config.md5"; }

name="removal"
mkdir -p "$T/usr/share/nftables.d/chain-pre/input" "$T/var/run/tandem/tandem-check" "$T/etc/tandem/keys" "$T/etc/tandem/state"
: > "$T/usr/share/nftables.d/chain-pre/input/20-tandem.nft"
: > "$T/etc/tandem/keys/0011223344556677"
printf '#!/bin/sh\necho "${0##*/} $*" >> "$LOG"\n' | tee "$T/bin/nft" "$T/bin/fw4" > "$T/bin/sysctl"
chmod +x "$T/bin/fw4" "$T/bin/sysctl"
sed "s#/etc/#$T/etc/#g; s#/usr/share/#$T/usr/share/#; s#/var/run/#$T/var/run/#" "$here/files/tandem.prerm" > "$T/prerm"
: > "$T/log"
LOG="$T/log" PKG_UPGRADE=1 PATH="$T/bin:$PATH" sh "$T/prerm"
[ -e "$T/usr/share/nftables.d/chain-pre/input/20-tandem.nft" ] && [ ! -s "$T/log" ] || { failed=$((failed + 1)); echo "FAIL: an upgrade took something away"; }
LOG="$T/log" PATH="$T/bin:$PATH" sh "$T/prerm"
has "fw4 -q reload"
has "sysctl -q -e -w net.mptcp.blackhole_timeout=3600"
for gone in usr/share/nftables.d/chain-pre/input/20-tandem.nft var/run/tandem etc/tandem/state; do
	[ ! -e "$T/$gone" ] || { failed=$((failed + 1)); echo "FAIL: $name: $gone is still there"; }
done
[ -e "$T/etc/tandem/keys/0011223344556677" ] || { failed=$((failed + 1)); echo "FAIL: $name: the key is gone"; }

name="hotplug only pokes"
printf '#!/bin/sh\necho "ubus $*" >> "$LOG"\n' > "$T/bin/ubus"
chmod +x "$T/bin/ubus"
export LOG="$T/log"
: > "$LOG"
for a in ifup ifdown ifupdate; do ACTION=$a INTERFACE=wan PATH="$T/bin:$PATH" sh "$here/files/tandem.hotplug"; done
ACTION=free INTERFACE=wan PATH="$T/bin:$PATH" sh "$here/files/tandem.hotplug"
ACTION=ifup INTERFACE=loopback PATH="$T/bin:$PATH" sh "$here/files/tandem.hotplug"
[ "$(grep -c '^ubus -S call service signal {"name":"tandem","signal":1}$' "$LOG")" = 3 ] && [ "$(wc -l < "$LOG")" = 3 ] && passed=$((passed + 1)) || { failed=$((failed + 1)); echo "FAIL: $name"; cat "$LOG"; }

[ "$(wc -l < "$here/files/tandem.init")" -lt 120 ] || { failed=$((failed + 1)); echo "FAIL: tandem.init has 120 lines or more: move logic into the daemon"; }

echo "init script: $passed passed, $failed failed"
[ "$failed" = 0 ]
