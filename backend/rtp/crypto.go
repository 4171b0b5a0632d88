package rtp

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/srtp/v3"
)

// suites are the ways of encryption that a crypto attribute may name (RFC 4568,
// section 6.2, RFC 6188, RFC 7714).
var suites = []struct {
	name    string
	profile srtp.ProtectionProfile
}{
	{"AES_CM_128_HMAC_SHA1_80", srtp.ProtectionProfileAes128CmHmacSha1_80},
	{"AES_CM_128_HMAC_SHA1_32", srtp.ProtectionProfileAes128CmHmacSha1_32},
	{"AES_256_CM_HMAC_SHA1_80", srtp.ProtectionProfileAes256CmHmacSha1_80},
	{"AES_256_CM_HMAC_SHA1_32", srtp.ProtectionProfileAes256CmHmacSha1_32},
	{"AEAD_AES_128_GCM", srtp.ProtectionProfileAeadAes128Gcm},
	{"AEAD_AES_256_GCM", srtp.ProtectionProfileAeadAes256Gcm},
}

func suiteNames() string {
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}

// keys are those of an encrypted stream.
type keys struct {
	profile   srtp.ProtectionProfile
	key, salt []byte
	mki       []byte // nil if packets carry no identifier of the key
}

// Windows of replay protection, in packets. A packet that is older than its
// window is refused, so that of RTP is wider than any order can be mixed up.
const (
	replayWindow     = 1024
	replayWindowRTCP = 64
)

// context returns a context for one direction of one stream.
func (k *keys) context() (*srtp.Context, error) {
	options := []srtp.ContextOption{srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindowRTCP)}
	if k.mki != nil {
		options = append(options, srtp.MasterKeyIndicator(k.mki))
	}
	return srtp.CreateContext(k.key, k.salt, k.profile, options...)
}

// readCrypto reads a=crypto:<tag> <suite> inline:<key>[|<lifetime>][|<MKI>:<length>]
// [<parameters>] (RFC 4568, section 9.1). Of several the first that is
// supported counts: an SDP may offer a choice, and says them by preference. It
// counts with RTP/AVP too, since FFmpeg writes that.
func (r *sectionReader) readCrypto(l line, value string) error {
	if r.keys != nil {
		return nil
	}
	k, err := readKeys(value)
	if err != nil {
		if r.refusedKey == nil {
			r.refusedKey = l.errorf("%v", err)
		}
		return nil
	}
	r.keys = k
	return nil
}

// readKeys reads the value of a crypto attribute. Errors do not repeat the key.
func readKeys(value string) (*keys, error) {
	f := strings.Fields(value)
	if len(f) < 3 {
		return nil, fmt.Errorf("not complete (allowed: a tag, a suite and inline:KEY)")
	}
	if len(f) > 3 {
		return nil, fmt.Errorf("session parameter %q (allowed: none)", f[3])
	}
	k := &keys{}
	for _, s := range suites {
		if s.name == f[1] {
			k.profile = s.profile
		}
	}
	if k.profile == 0 {
		return nil, fmt.Errorf("suite is %q (allowed: %s)", f[1], suiteNames())
	}
	inline, ok := strings.CutPrefix(f[2], "inline:")
	if !ok {
		return nil, fmt.Errorf("key is not inline (allowed: inline:KEY)")
	}
	parts := strings.Split(inline, "|")
	if err := k.readMaster(parts[0]); err != nil {
		return nil, err
	}
	for _, part := range parts[1:] {
		if err := k.readMKI(part); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// readMaster reads the master key with the salt behind it.
func (k *keys) readMaster(text string) error {
	// Some writers leave the padding out.
	both, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return fmt.Errorf("key is not base64")
	}
	keyLen, err := k.profile.KeyLen()
	if err != nil {
		return err
	}
	saltLen, err := k.profile.SaltLen()
	if err != nil {
		return err
	}
	if len(both) != keyLen+saltLen {
		return fmt.Errorf("key and salt have %d bytes (allowed: %d and %d)", len(both), keyLen, saltLen)
	}
	k.key, k.salt = both[:keyLen], both[keyLen:]
	return nil
}

// maxMKI is the longest that RFC 4568, section 6.1, allows.
const maxMKI = 128

// readMKI reads "<MKI>:<length>", the identifier of the key as a number and how
// many bytes of each packet it takes. A lifetime, which has no colon, is passed
// over: nobody sends 2^48 packets.
func (k *keys) readMKI(text string) error {
	number, length, ok := strings.Cut(text, ":")
	if !ok {
		return nil
	}
	value, err := strconv.ParseUint(number, 10, 64)
	n, errLength := strconv.ParseUint(length, 10, 8)
	if err != nil || errLength != nil || n == 0 || n > maxMKI || n < 8 && value>>(8*n) != 0 {
		return fmt.Errorf("MKI is %q (allowed: a number, and 1 to %d bytes that hold it, as in 1:4)", text, maxMKI)
	}
	k.mki = make([]byte, n)
	for i := len(k.mki) - 1; i >= 0; i-- {
		k.mki[i] = byte(value)
		value >>= 8
	}
	return nil
}
