DROP TABLE admin_digests;
DROP TABLE notification_chats;
DROP TABLE notification_ways;
DROP TABLE notification_reads;
DROP TABLE notifications;
DROP TABLE bonus_awards;
DROP TABLE bonus_rules;
