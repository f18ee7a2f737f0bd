package config

// String is the value as the configuration file has it.
func (r Role) String() string {
	switch r {
	case Primary:
		return "primary"
	case Secondary:
		return "secondary"
	}
	return "standby"
}
