/* LuCI has its oldest functions here; the host page needs none. */
